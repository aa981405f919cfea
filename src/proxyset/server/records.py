"""What a server's state holds, as plain records. Times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from proxyset.errors import InvalidInput
from proxyset.printable import printable, shortened
from proxyset.wire.campaign import Ask


class Scope(StrEnum):
    """What an operator's token is good for. The table in docs/service.md says which request needs which."""

    read = "read"
    campaigns = "campaigns"
    clients = "clients"


@dataclass(frozen=True)
class IndexRecord:
    """An index that campaigns are made from; `folder` is where it lies on the server."""

    fingerprint: str
    folder: Path
    items: int
    clusters: int
    added: datetime

    @property
    def name(self) -> str:
        """What people call it: its folder."""
        return self.folder.name


@dataclass(frozen=True)
class Campaign:
    """A question to many clients.

    Attributes:
        id: its name, in URLs too.
        index, probe: fingerprints.
        purpose: what clients are told; the probe carries the same.
        ask: what an answer must guarantee.
        budget, strategy: of the proxy set that `campaign select` draws unless told otherwise.
        deadline: no release is taken after it; None for no deadline.
        created, closed: closed is None while it is open.
    """

    id: str
    index: str
    probe: str
    purpose: str
    ask: Ask
    budget: int
    strategy: str
    deadline: datetime | None
    created: datetime
    closed: datetime | None

    def accepting(self, at: datetime | None = None) -> bool:
        """Whether releases are taken, now unless told otherwise."""
        return self.closed is None and (self.deadline is None or (at or now()) < self.deadline)


@dataclass(frozen=True)
class Client:
    """A pinned Ed25519 public key (hexadecimal) and the operator's name for it."""

    key: str
    name: str
    enrolled: datetime
    revoked: datetime | None


@dataclass(frozen=True)
class Token:
    """An enrolment token; its secret is known to nobody here.

    Attributes:
        id: the first digits of its secret's hash.
        client: the key that it pinned, or None.
    """

    id: str
    name: str
    created: datetime
    expires: datetime
    client: str | None

    def open(self, at: datetime | None = None) -> bool:
        """Whether a client can still enrol with it."""
        return self.client is None and (at or now()) < self.expires


@dataclass(frozen=True)
class Nonce:
    """The nonce of a signed request; `until` is when the request is too old to be accepted, in milliseconds since 1970."""

    key: str
    nonce: str
    until: int


@dataclass(frozen=True)
class Submission:
    """A release on its way into the state; `service.submission.check` has found it to answer its campaign's probe."""

    campaign: str
    client: str
    fingerprint: str
    epsilon: float
    delta: float
    sigma: float
    rho: float
    data: bytes


class Outcome(StrEnum):
    """What became of a submission. Only the first two are acknowledged."""

    stored = "stored"
    known = "known"  # the same bytes were there
    answered = "answered"  # this client's other release stands
    taken = "taken"  # another client sent this release
    closed = "closed"
    revoked = "revoked"


@dataclass(frozen=True)
class ReleaseRecord:
    """A stored release without its bytes; `size` is their number."""

    campaign: str
    client: str
    fingerprint: str
    epsilon: float
    delta: float
    sigma: float
    rho: float
    received: datetime
    size: int


@dataclass(frozen=True)
class Model:
    """A file that clients of a campaign may fetch; `name` is what it was called."""

    campaign: str
    sha256: str
    bytes: int
    name: str
    published: datetime


@dataclass(frozen=True)
class Selection:
    """A proxy set that was drawn from a campaign's releases."""

    id: int
    campaign: str
    folder: Path
    items: int
    budget: int
    strategy: str
    seed: int
    releases: int
    created: datetime


@dataclass(frozen=True)
class Act:
    """What somebody did to the state, by which way, and to what."""

    at: datetime
    who: str
    way: str
    act: str
    object: str


@dataclass(frozen=True)
class Operator:
    """A person or program that runs the server, known by a bearer token."""

    name: str
    scopes: frozenset[Scope]
    created: datetime
    revoked: datetime | None


def check_name(name: str, what: str) -> str:
    """A name that can be shown anywhere without moving what stands around it.

    Raises:
        InvalidInput: it is empty, has more than 200 characters, or one that is not plainly to be seen.
    """
    if not 1 <= len(name) <= 200 or not name.isprintable() or not name.strip():
        raise InvalidInput(
            f"{what} has 1 to 200 characters that can be printed; controls, line ends and marks of direction are none: "
            f"{shortened(printable(name), 100)!r}"
        )
    return name


def now() -> datetime:
    """The time, to the millisecond, as it is kept."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
