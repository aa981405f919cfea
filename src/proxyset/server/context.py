"""What the routes of one server share. Nothing here is missed by another server of the same state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import cast

from fastapi import Request, Response

from proxyset.server.batches import Batches
from proxyset.server.limits import Buckets, Limits
from proxyset.server.metrics import Metrics
from proxyset.server.oidc import Provider
from proxyset.server.records import Nonce, Outcome, Submission
from proxyset.server.state import State

_PROBE_MEMORY = 256 << 20


@dataclass(frozen=True)
class Held:
    """A probe in memory: the response that sends it, and R."""

    answer: Response
    clusters: int


class Probes:
    """The probes asked for last; a probe never changes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = Lock()
        self._held: OrderedDict[str, Held] = OrderedDict()

    def __getitem__(self, fingerprint: str) -> Held:
        with self._lock:
            if fingerprint not in self._held:
                _, clusters = self._state.probe_size(fingerprint)
                headers = {"etag": f'"{fingerprint}"'}
                data = self._state.probe(fingerprint)
                answer = Response(data, media_type="application/octet-stream", headers=headers)
                self._held[fingerprint] = Held(answer, clusters)
                while len(self._held) > 1 and self._bytes() > _PROBE_MEMORY:
                    self._held.popitem(last=False)
            self._held.move_to_end(fingerprint)
            return self._held[fingerprint]

    def _bytes(self) -> int:
        return sum(len(held.answer.body) for held in self._held.values())


@dataclass
class Context:
    """One server.

    Attributes:
        audience: host and port that clients sign, or "" to take the Host header's word.
        clients, enrolments: what one client and one address may ask of this server.
        provider: who vouches for operators without a token, or None.
        releases, nonces: on their way into the state.
    """

    state: State
    limits: Limits
    metrics: Metrics
    audience: str
    provider: Provider | None = None
    probes: Probes = field(init=False)
    clients: Buckets = field(init=False)
    enrolments: Buckets = field(init=False)
    releases: Batches[Submission, Outcome] = field(init=False)
    nonces: Batches[Nonce, bool] = field(init=False)

    def __post_init__(self) -> None:
        self.probes = Probes(self.state)
        self.clients = Buckets(self.limits.client, self.limits.client_burst)
        self.enrolments = Buckets(self.limits.enrol, self.limits.enrol_burst)
        self.releases = Batches(self._store)
        self.nonces = Batches(self.state.use_nonces)

    def _store(self, batch: Sequence[Submission]) -> list[Outcome]:
        self.metrics.commit(len(batch))
        return self.state.store(batch)


def context_of(request: Request) -> Context:
    return cast(Context, request.app.state.context)
