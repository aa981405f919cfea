"""How much one address, one client and one request may take. All in memory, and all bounded."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from fastapi import HTTPException

from proxyset.wire.model import MODEL_LIMIT


@dataclass(frozen=True)
class Limits:
    """Requests a second (sustained, and at once), and seconds.

    Attributes:
        address, address_burst: requests of one address (one IPv6 /64); 0 for no limit.
        client, client_burst: requests of one enrolled client.
        enrol, enrol_burst: attempts to enrol from one address.
        body_seconds: how long a small body may take to arrive; each 16 KiB may take a second more.
        head_seconds: how long a TLS handshake, and a request line with its headers, may take to arrive.
        head_bytes: of a request line with its headers, or of whatever else comes without a byte of a body.
        model_bytes: of a model that an operator uploads.
        strangers: releases that a server of one probe takes in, from anybody.
        connections: most at once; more are closed as they come.
        address_connections: most at once from one address that is not a proxy's.
    """

    address: float = 100.0
    address_burst: float = 1000.0
    client: float = 10.0
    client_burst: float = 50.0
    enrol: float = 0.1
    enrol_burst: float = 10.0
    body_seconds: float = 20.0
    head_seconds: float = 10.0
    model_bytes: int = MODEL_LIMIT
    head_bytes: int = 64 << 10
    strangers: int = 10_000
    connections: int = 4000
    address_connections: int = 250


class Buckets:
    """A token bucket for each name; the names not seen for longest are forgotten first."""

    def __init__(self, rate: float, burst: float, most: int = 50_000) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._lock = Lock()
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Take one token; seconds until there is one when there is none, else 0."""
        if not self._rate:
            return 0.0
        at = time.monotonic()
        with self._lock:
            tokens, before = self._held.pop(name, (self._burst, at))
            tokens = min(self._burst, tokens + (at - before) * self._rate)
            taken = tokens >= 1
            self._held[name] = (tokens - 1 if taken else tokens, at)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self._rate

    def take(self, name: str) -> None:
        """Take one token, or raise 429 with the seconds to wait."""
        if seconds := self.wait(name):
            raise HTTPException(429, "too many requests", {"retry-after": str(int(seconds) + 1)})

    def __len__(self) -> int:
        return len(self._held)


def address_of(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 address is in."""
    host = plain_address(host)
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


def plain_address(host: str) -> str:
    """An address as it is written down: an IPv4 caller of a socket that listens on `::` is that IPv4 address."""
    mapped = host.lower().removeprefix("::ffff:")
    return mapped if "." in mapped else host
