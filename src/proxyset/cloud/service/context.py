"""What the routes of one server share."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from proxyset.cloud.service.limits import Buckets, Limits, Nonces
from proxyset.cloud.service.metrics import Metrics
from proxyset.cloud.service.writer import Writer
from proxyset.cloud.state import State
from proxyset.wire.signed_request import WINDOW_SECONDS

_PROBE_MEMORY = 256 << 20


class Probes:
    """The newest probes in memory; a probe never changes."""

    def __init__(self, state: State, most: int = _PROBE_MEMORY) -> None:
        self._state, self._most = state, most
        self._held: OrderedDict[str, bytes] = OrderedDict()

    def __getitem__(self, fingerprint: str) -> bytes:
        if fingerprint not in self._held:
            self._held[fingerprint] = self._state.probe(fingerprint)
            while len(self._held) > 1 and sum(map(len, self._held.values())) > self._most:
                self._held.popitem(last=False)
        self._held.move_to_end(fingerprint)
        return self._held[fingerprint]


@dataclass
class Context:
    """One server.

    Attributes:
        state: read by any thread; releases are written by `writer` alone.
        audience: host and port that clients sign, or "" to take the Host header's word.
        started: milliseconds since 1970. Requests signed before are refused, because a restart forgets nonces.
    """

    state: State
    limits: Limits
    metrics: Metrics
    writer: Writer
    probes: Probes
    audience: str
    started: int
    nonces: Nonces = field(default_factory=lambda: Nonces(2 * WINDOW_SECONDS))
    clients: Buckets = field(init=False)
    enrolments: Buckets = field(init=False)

    def __post_init__(self) -> None:
        self.clients = Buckets(self.limits.client, self.limits.client_burst)
        self.enrolments = Buckets(self.limits.enrol, self.limits.enrol_burst)


def context_of(request: Request) -> Context:
    return cast(Context, request.app.state.context)
