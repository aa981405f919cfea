"""The servers that a ledger's key is enrolled with, in `LEDGER.servers.json`. No secret lies there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from proxyset import atomic
from proxyset.client.ledger import Ledger
from proxyset.client.receipts import signing_key
from proxyset.errors import InvalidInput, LedgerError
from proxyset.transport.service import Service
from proxyset.wire.server_name import recorded_name, server_name


class Server(BaseModel):
    """One enrolment.

    Attributes:
        url: what the ledger, the policy and the receipts call the server.
        name: what the server's operator calls this client.
        ca: absolute path of the authority's certificate, or "" for those the system trusts.
        since: UTC, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # older versions kept a key of the server

    url: Annotated[str, AfterValidator(recorded_name)]
    name: str
    ca: str
    since: str


_FILE = TypeAdapter(list[Server])


def enroll(ledger: Ledger, url: str, token: str, ca: Path | None = None, timeout: float = 30.0) -> Server:
    """Have a server pin the ledger's public key, and remember that it did.

    Raises:
        InvalidInput: not an https:// URL, or no certificate authority in `ca`.
        LedgerError: the ledger has no key, or the enrolment cannot be written.
        TransportError: the server cannot be reached, or does not take the token.
    """
    url = server_name(url)
    enrolled = Service(url, signing_key(ledger), ca, timeout).enroll(token)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    authority = str(ca.absolute()) if ca else ""
    server = Server(url=url, name=enrolled.name, ca=authority, since=since)
    with ledger.exclusive():
        others = [known for known in servers(ledger) if known.url != url]
        try:
            atomic.write_bytes(_path(ledger), _FILE.dump_json([*others, server], indent=1), atomic.SECRET)
        except OSError as error:
            raise LedgerError(f"{_path(ledger)} cannot be written: {error}") from error
    return server


def servers(ledger: Ledger) -> list[Server]:
    """All enrolments, oldest first.

    Raises:
        LedgerError: the file is damaged.
    """
    try:
        return _FILE.validate_json(_path(ledger).read_bytes()) if _path(ledger).exists() else []
    except (OSError, ValidationError) as error:
        raise LedgerError(f"{_path(ledger)} cannot be read ({error}): remove it and enrol again") from error


def service(ledger: Ledger, url: str | None = None, timeout: float = 30.0) -> Service:
    """The server with this URL, or the only one.

    Raises:
        InvalidInput: no such enrolment, or several and no URL.
    """
    name = None if url is None else server_name(url)
    known = [server for server in servers(ledger) if name in (None, server.url)]
    if len(known) != 1:
        names = ", ".join(server.url for server in servers(ledger)) or "none"
        what = f"is not enrolled with {url}" if url else "needs to be told which server"
        raise InvalidInput(f"the ledger {ledger.path} {what} (enrolled: {names}): proxyset client enroll URL")
    (server,) = known
    ca = Path(server.ca) if server.ca else None
    return Service(server.url, signing_key(ledger), ca, timeout)


def _path(ledger: Ledger) -> Path:
    return ledger.path.with_name(ledger.path.name + ".servers.json")
