"""How much one address, one client and one request may take. All in memory, and all bounded."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass

from fastapi import HTTPException, Request

from proxyset.wire.model import MODEL_LIMIT


@dataclass(frozen=True)
class Limits:
    """Requests a second (sustained, and at once), and seconds.

    Attributes:
        address, address_burst: requests of one address (one IPv6 /64); 0 for no limit.
        client, client_burst: requests of one enrolled client.
        enrol, enrol_burst: attempts to enrol from one address.
        body_seconds: how long a body may take to arrive.
        head_seconds: how long a request line with its headers may take to arrive.
        model_bytes: of a model that an operator uploads.
        connections: most at once; more are told to come back.
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
    connections: int = 4000


class Buckets:
    """A token bucket for each name; the names not seen for longest are forgotten first."""

    def __init__(self, rate: float, burst: float, most: int = 50_000) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Take one token; seconds until there is one when there is none, else 0."""
        if not self._rate:
            return 0.0
        at = time.monotonic()
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


class Nonces:
    """Nonces that were used, at least for as long as a replay of them would pass the clock."""

    def __init__(self, most: int = 500_000) -> None:
        self._most = most
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def use(self, nonce: bytes, seconds: float) -> bool:
        """Whether this is its first use; it is remembered for `seconds` or more.

        Raises:
            HTTPException: 503, so many are remembered that no more can be told apart.
        """
        at = time.monotonic()
        while self._used and next(iter(self._used.values())) < at:
            self._used.popitem(last=False)
        if nonce in self._used:
            return False
        if len(self._used) >= self._most:
            raise HTTPException(503, "too many requests at this time", {"retry-after": "10"})
        self._used[nonce] = at + seconds
        return True

    def __len__(self) -> int:
        return len(self._used)


def address_of(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 address is in."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The body, at most `most` bytes within `seconds`; a longer one is refused before it is read, where it says so.

    Raises:
        HTTPException: 413, 408, or 400 when the sender went away.
    """
    stop = {"connection": "close"}
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:20]) > most:
        raise HTTPException(413, f"at most {most} bytes are accepted here", stop)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise HTTPException(400, "the sender went away")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > most:
                    raise HTTPException(413, f"at most {most} bytes are accepted here", stop)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {seconds:g} s", stop) from None
    return bytes(body)
