"""What the routes of one server share."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request, Response
from nacl.signing import SigningKey

from proxyset.server.keeper import Keepers
from proxyset.server.limits import Buckets, Limits, Nonces
from proxyset.server.metrics import Metrics
from proxyset.server.recent import Recent
from proxyset.server.records import Campaign, Client
from proxyset.server.state import State
from proxyset.wire.signing import agreed

_CLIENTS = 20_000
_PROBE_MEMORY = 256 << 20


@dataclass(frozen=True)
class Held:
    """A probe in memory: the response that sends it, and R."""

    answer: Response
    clusters: int


class Probes:
    """The probes asked for last; a probe never changes."""

    def __init__(self, state: State, most: int = _PROBE_MEMORY) -> None:
        self._state, self._most = state, most
        self._held: OrderedDict[str, Held] = OrderedDict()

    def __getitem__(self, fingerprint: str) -> Held:
        if fingerprint not in self._held:
            _, clusters = self._state.probe_size(fingerprint)
            headers = {"etag": f'"{fingerprint}"'}
            data = self._state.probe(fingerprint)
            answer = Response(data, media_type="application/octet-stream", headers=headers)
            self._held[fingerprint] = Held(answer, clusters)
            while len(self._held) > 1 and self._bytes() > self._most:
                self._held.popitem(last=False)
        self._held.move_to_end(fingerprint)
        return self._held[fingerprint]

    def _bytes(self) -> int:
        return sum(len(held.answer.body) for held in self._held.values())


@dataclass
class Context:
    """One server.

    Attributes:
        state: read by any thread; releases are stored by `keepers` alone.
        key: the server's own.
        audience: host and port that clients sign, or "" to take the Host header's word.
        started: milliseconds since 1970. Requests signed before are refused, because a restart forgets nonces.
    """

    state: State
    limits: Limits
    metrics: Metrics
    keepers: Keepers
    key: SigningKey
    probes: Probes
    audience: str
    started: int
    nonces: Nonces = field(default_factory=Nonces)
    clients: Buckets = field(init=False)
    enrolments: Buckets = field(init=False)
    _secrets: dict[str, bytes] = field(default_factory=dict)
    _pinned: dict[str, Client] = field(default_factory=dict)
    _revoked: Recent[set[str]] = field(init=False)
    _campaigns: Recent[Campaign] = field(init=False)

    def __post_init__(self) -> None:
        self._revoked = Recent(lambda _: self.state.revoked())
        self._campaigns = Recent(self.state.campaign)
        self.clients = Buckets(self.limits.client, self.limits.client_burst)
        self.enrolments = Buckets(self.limits.enrol, self.limits.enrol_burst)

    def client(self, key: str) -> Client | None:
        """The client of a key as of the last second. A pinned key stays pinned; all that can change is that it is revoked."""
        if key in self._pinned and key not in self._revoked["clients"]:
            return self._pinned[key]
        client = self.state.client(key)
        if client is not None:  # strangers are not remembered
            if len(self._pinned) >= _CLIENTS:
                self._pinned.clear()
            self._pinned[key] = client
        return client

    def secret(self, key: str) -> bytes:
        """What an enrolled client's key and the server's agree on; finding it takes as long as a signature."""
        if key not in self._secrets:
            if len(self._secrets) >= _CLIENTS:
                self._secrets.clear()
            self._secrets[key] = agreed(self.key, key)
        return self._secrets[key]

    def campaign(self, id: str) -> Campaign:
        """A campaign as of the last second. Raises UnknownName."""
        return self._campaigns[id]


def context_of(request: Request) -> Context:
    return cast(Context, request.app.state.context)
