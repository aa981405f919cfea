"""A server of campaigns, as an enrolled agent calls it: signed requests over HTTPS, outbound only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from proxyset.errors import InvalidInput, TransportError, first_problem
from proxyset.transport.request import ANSWER_LIMIT, request
from proxyset.wire.campaign import (
    OFFERS_LIMIT,
    Acknowledgement,
    Enrolled,
    Enrolment,
    Offer,
    Offers,
)
from proxyset.wire.encoder_package import PACKAGE_LIMIT
from proxyset.wire.model import MODEL_LIMIT
from proxyset.wire.probe import PROBE_LIMIT
from proxyset.wire.release import Release
from proxyset.wire.report import Report
from proxyset.wire.signed_request import audience_of, authorization

if TYPE_CHECKING:
    from nacl.signing import SigningKey

Message = TypeVar("Message", bound=BaseModel)


@dataclass(frozen=True)
class Service:
    """One server, one key. Each call is one attempt: when to try again is the agent's affair, and always harmless.

    TLS is demanded of every host but this machine's own addresses.

    Attributes:
        url: "https://host[:port]", as the server's operator told; it is part of what is signed.
        key: the client's; the server pinned its public half.
        ca: PEM file of the authority that signed the server's certificate; None for those the system trusts.
        timeout: seconds for a request, as `request` takes them.
    """

    url: str
    key: SigningKey
    ca: Path | None = None
    timeout: float = 30.0

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
        return _parsed(Enrolled, self.call("POST", "/v1/enroll", ANSWER_LIMIT, body, "application/json"))

    def offers(self) -> list[Offer]:
        """The campaigns that are open to this client."""
        return _parsed(Offers, self.call("GET", "/v1/campaigns", OFFERS_LIMIT)).campaigns

    def campaign(self, name: str) -> Campaign:
        """The exchange of one campaign."""
        return Campaign(self, name)

    def model(self, campaign: str) -> bytes:
        """The model that was published for a campaign, as received."""
        return self.call("GET", f"/v1/campaigns/{campaign}/model", MODEL_LIMIT)

    def encoder(self, campaign: str) -> bytes:
        """The encoder that is offered to the clients of a campaign, as received."""
        return self.call("GET", f"/v1/campaigns/{campaign}/encoder", PACKAGE_LIMIT)

    def call(self, method: str, path: str, most: int, body: bytes = b"", kind: str = "") -> bytes:
        """One signed request; the answer's body, of at most so many bytes.

        Raises:
            TransportError: no answer, or one that asks to come again. Rejected: the server says no.
        """
        url = self.url.rstrip("/") + path
        headers = {"authorization": authorization(self.key, method, url, body)}
        if kind:
            headers["content-type"] = kind
        answer = request(method, url, most=most, body=body, headers=headers, timeout=self.timeout, ca=self.ca)
        return answer.accepted(f"{self.url} answered {method} {path} with an error")


@dataclass(frozen=True)
class Campaign:
    """A `Transport`: the probe of one campaign, and a release for it."""

    service: Service
    name: str

    def pull(self) -> bytes:
        return self.service.call("GET", f"/v1/campaigns/{self.name}/probe", PROBE_LIMIT)

    def push(self, release: bytes) -> None:
        path = f"/v1/campaigns/{self.name}/releases"
        self._sent(path, release, Release.from_bytes(release).fingerprint)

    def report(self, report: Report) -> None:
        """Send a report, where the campaign asks for a two-party sum."""
        self._sent(f"/v1/campaigns/{self.name}/reports", report.to_bytes(), report.fingerprint)

    def _sent(self, path: str, data: bytes, mine: str) -> None:
        told = _parsed(Acknowledgement, self.service.call("POST", path, ANSWER_LIMIT, data)).release
        if told != mine:
            raise TransportError(f"{self.service.url} acknowledges {told[:12]}, sent was {mine[:12]}")


def _parsed(kind: type[Message], data: bytes) -> Message:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise TransportError(f"the server's answer makes no sense: {first_problem(error)}") from None


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False
