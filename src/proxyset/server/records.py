"""What a server's state holds, as plain records. Times are UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from proxyset.errors import InvalidInput
from proxyset.printable import printable, shortened
from proxyset.wire.campaign import Ask

_CAMPAIGN = re.compile("[a-z0-9][a-z0-9-]{0,62}")  # as `wire.campaign.CampaignId`


OIDC = "oidc:"  # how the names of those begin for whom a provider vouches


class Scope(StrEnum):
    """What an operator may do. The table in docs/service.md says which request needs which."""

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
    """A stored release without its bytes, by the client of that name; `size` is their number."""

    campaign: str
    client: str
    name: str
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
    """A person or program that runs the server, known by a bearer token or by a provider's word.

    Attributes:
        scopes: what they may do: "read" everywhere, "read:lung-ct" in that campaign.
        until: when a provider must vouch for them again; None for a token, which is good until it is revoked.
    """

    name: str
    scopes: frozenset[str]
    created: datetime
    revoked: datetime | None
    until: datetime | None = None

    def may(self, scope: Scope, campaign: str = "") -> bool:
        """Whether they have a scope everywhere, or in this campaign."""
        return scope in self.scopes or f"{scope}:{campaign}" in self.scopes

    def somewhere(self, scope: Scope) -> bool:
        """Whether they have a scope in some campaign, or everywhere."""
        return any(each.partition(":")[0] == scope for each in self.scopes)

    def campaigns(self, scope: Scope) -> frozenset[str] | None:
        """The campaigns in which they have a scope; None for everywhere."""
        if scope in self.scopes:
            return None
        return frozenset(each.partition(":")[2] for each in self.scopes if each.startswith(f"{scope}:"))

    def good(self) -> bool:
        """Whether they are an operator now."""
        return self.revoked is None and (self.until is None or now() < self.until)


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


def check_scope(text: str) -> str:
    """A scope, or a scope and a campaign, as "read:lung-ct".

    Raises:
        InvalidInput: it is neither.
    """
    scope, colon, campaign = text.partition(":")
    if scope not in set(Scope) or (colon and not _CAMPAIGN.fullmatch(campaign)):
        raise InvalidInput(
            f"a scope is {', '.join(Scope)}, or one of them in a campaign (read:lung-ct), not {text!r}"
        )
    if colon and scope == Scope.clients:
        raise InvalidInput(
            f"{text!r}: clients are enrolled for all campaigns, so there is no scope for those of one"
        )
    return text


def now() -> datetime:
    """The time, to the millisecond, as it is kept."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
