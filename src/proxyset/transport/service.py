"""A server of campaigns, as an enrolled agent calls it: signed requests over HTTPS, outbound only."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import httpx2
from pydantic import BaseModel, ValidationError

from proxyset.errors import InvalidInput, Rejected, TransportError
from proxyset.wire.campaign import (
    OFFERS_LIMIT,
    Acknowledgement,
    Enrolled,
    Enrolment,
    Offer,
    Offers,
)
from proxyset.wire.model import MODEL_LIMIT
from proxyset.wire.probe import PROBE_LIMIT
from proxyset.wire.signed_request import audience_of, authorization

if TYPE_CHECKING:
    from nacl.signing import SigningKey

Message = TypeVar("Message", bound=BaseModel)
_ERROR_TEXT = 300
_ANSWER_LIMIT = 1 << 16
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_LONGEST_WAIT = 3600.0


@dataclass(frozen=True)
class Service:
    """One server, one key. Each call is one attempt: when to try again is the agent's affair, and always harmless.

    Redirects are not followed. TLS is demanded of every host but this machine's own addresses.

    Attributes:
        url: "https://host[:port]", as the server's operator told; it is part of what is signed.
        key: the client's; the server pinned its public half.
        ca: PEM file of the authority that signed the server's certificate; None for those the system trusts.
        timeout: seconds for each step of a request.
        server: the server's public key, as it told when this client enrolled; "" signs every request.
    """

    url: str
    key: SigningKey
    ca: Path | None = None
    timeout: float = 30.0
    server: str = ""

    def __post_init__(self) -> None:
        audience_of(self.url)
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
            raise InvalidInput(
                f"{self.url!r} is not an https:// URL; only this machine is called without TLS"
            )

    def enroll(self, token: str) -> Enrolled:
        """Have this key pinned. With the same token and key again, the answer is the same."""
        body = Enrolment(token=token).model_dump_json().encode()
        return _parsed(Enrolled, self._call("POST", "/v1/enroll", _ANSWER_LIMIT, body))

    def offers(self) -> list[Offer]:
        """The campaigns that are open to this client."""
        return _parsed(Offers, self._call("GET", "/v1/campaigns", OFFERS_LIMIT)).campaigns

    def probe(self, campaign: str) -> bytes:
        """The probe of a campaign, as received."""
        return self._call("GET", f"/v1/campaigns/{campaign}/probe", PROBE_LIMIT)

    def send(self, campaign: str, release: bytes) -> str:
        """Hand over a release; its fingerprint, as the server acknowledged it: it is on the server's disk."""
        path = f"/v1/campaigns/{campaign}/releases"
        return _parsed(Acknowledgement, self._call("POST", path, _ANSWER_LIMIT, release)).release

    def model(self, campaign: str) -> bytes:
        """The model that was published for a campaign, as received."""
        return self._call("GET", f"/v1/campaigns/{campaign}/model", MODEL_LIMIT)

    def _call(self, method: str, path: str, most: int, body: bytes = b"") -> bytes:
        parts = bytearray()
        with self._request(method, path, body) as response:
            for part in response.iter_bytes():
                parts += part
                if len(parts) > most:
                    raise TransportError(f"{self.url} sends more than the {most} bytes expected of {path}")
        return bytes(parts)

    @contextmanager
    def _request(self, method: str, path: str, body: bytes) -> Iterator[httpx2.Response]:
        try:
            with httpx2.Client(
                timeout=self.timeout, follow_redirects=False, verify=self._trusted()
            ) as client:
                response = self._sent(client, method, path, body, self.server)
                if response.status_code == 401 and self.server:  # perhaps the server has a new key
                    response.close()
                    response = self._sent(client, method, path, body, "")
                with closing(response):
                    if response.status_code not in (200, 201):
                        raise self._refusal(method, path, response)
                    yield response
        except httpx2.HTTPError as error:
            raise TransportError(f"cannot reach {self.url}: {error or type(error).__name__}") from error

    def _sent(
        self, client: httpx2.Client, method: str, path: str, body: bytes, server: str
    ) -> httpx2.Response:
        url = self.url.rstrip("/") + path
        headers = {
            "user-agent": "proxyset",
            "authorization": authorization(self.key, method, url, body, server),
        }
        if body:
            headers["content-type"] = (
                "application/json" if path == "/v1/enroll" else "application/octet-stream"
            )
        return client.send(client.build_request(method, url, content=body, headers=headers), stream=True)

    def _trusted(self) -> ssl.SSLContext | bool:
        if self.ca is None:
            return True
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise InvalidInput(f"{self.ca} holds no certificate authority: {error}") from None

    def _refusal(self, method: str, path: str, response: httpx2.Response) -> TransportError:
        status = response.status_code
        response.read()
        text = " ".join(response.text[:_ERROR_TEXT].split())
        message = f"{self.url} answered {method} {path} with HTTP {status} {text}"
        if status not in _LATER:
            return Rejected(message)
        wait = response.headers.get("retry-after", "0")
        return TransportError(message, min(_LONGEST_WAIT, float(wait)) if wait.isdecimal() else 0.0)


def _parsed(kind: type[Message], data: bytes) -> Message:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise TransportError(f"the server's answer makes no sense: {where}: {first['msg']}") from None


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False
