"""A server on SQLite, with TLS and its usual limits, under attack from other addresses, while one client is served."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from proxyset.errors import TransportError
from proxyset.transport.service import Service
from proxyset_lab.service.certificate import certificate
from proxyset_lab.service.driver import resident, running, server
from proxyset_lab.service.fleet import Fleet

_LARGE = 100 << 20  # bytes of a body
_PIECE = b"x" * (64 << 10)
_LONGEST = 60.0  # seconds of one attack
_PAUSE = 0.2  # between two of one attacker
_SAMPLE = 2.0


@dataclass
class Siege:
    """What happened.

    Attributes:
        samples: seconds, resident MiB and open descriptors of the server.
        attacks: how many of each kind came to an end, which is the server's doing.
        times: seconds that each request of the client took, connection and TLS handshake included.
        failures: its requests that were not answered with 200.
    """

    samples: list[tuple[float, float, int]] = field(default_factory=list)
    attacks: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    failures: int = 0


@dataclass(frozen=True)
class _Attacker:
    """One address of this machine, and the server."""

    port: int
    address: str

    async def _open(self, tls: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context() if tls else None
        if context:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, local_addr=(self.address, 0)
        )

    async def _speak(self, head: str, pieces: int, piece: bytes, pause: float, tls: bool = True) -> None:
        """Send a head and so many pieces, until the server ends the connection or all is sent; then wait for its end."""
        reader, writer = await self._open(tls)
        try:
            writer.write(head.encode())
            for _ in range(pieces):
                writer.write(piece)
                await writer.drain()
                if reader.at_eof():
                    return
                await asyncio.sleep(pause)
            while await reader.read(1 << 16):
                pass
        finally:
            writer.transport.abort()

    async def silence(self) -> None:
        """A connection without a TLS handshake."""
        await self._speak("", 0, b"", 0, tls=False)

    async def idleness(self) -> None:
        """A connection without a request."""
        await self._speak("", 0, b"", 0)

    async def slow_body(self) -> None:
        """A body of one byte a second, to a route that anybody may send a form to."""
        kind = "content-type: application/x-www-form-urlencoded"
        origin = f"origin: https://127.0.0.1:{self.port}"
        head = f"POST /page/login HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{origin}\r\n{kind}\r\ncontent-length: 60000\r\n\r\n"
        await self._speak(head, 60, b"x", 1)

    async def large_body(self) -> None:
        """100 MiB without a token."""
        head = f"POST /v1/operator/campaigns HTTP/1.1\r\nhost: x\r\ncontent-length: {_LARGE}\r\n\r\n"
        await self._speak(head, _LARGE // len(_PIECE), _PIECE, 0)

    async def large_head(self) -> None:
        """Headers without an end."""
        await self._speak("GET /healthz HTTP/1.1\r\nhost: x\r\n", 100, b"x-many: 1234567\r\n" * 1000, 0)


# how many attackers of each kind there are at once, all with the same address
_ATTACKS: dict[Callable[[_Attacker], Awaitable[None]], int] = {
    _Attacker.silence: 300,
    _Attacker.idleness: 60,
    _Attacker.slow_body: 60,
    _Attacker.large_body: 4,
    _Attacker.large_head: 4,
}


def besiege(minutes: float, share: float = 1.0) -> Siege:
    """Attack a server for so long.

    Args:
        share: of the attackers; fewer for a test.
    """
    siege = Siege()
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet.enrolled(Path(folder) / "state", 1, 1)
        trust, key = certificate(Path(folder))
        options = (
            "--tls-cert",
            str(trust),
            "--tls-key",
            str(key),
            "--address-rate",
            "100",
            "--client-rate",
            "10",
        )
        with running(server(fleet.place, 0, *options)) as ours:
            service = Service(ours.url, fleet.keys[0], trust)
            asyncio.run(_fight(siege, fleet, service, ours.pid, 60 * minutes, share))
    return siege


async def _fight(
    siege: Siege, fleet: Fleet, service: Service, pid: int, seconds: float, share: float
) -> None:
    port, end = int(service.url.rpartition(":")[2]), time.monotonic() + seconds

    async def attack(how: Callable[[_Attacker], Awaitable[None]], address: str) -> None:
        while time.monotonic() < end:
            try:
                async with asyncio.timeout(min(_LONGEST, max(0.1, end - time.monotonic()))):
                    await how(_Attacker(port, address))
            except (OSError, EOFError):  # of them TimeoutError and ssl.SSLError; it is the server who ends it
                pass
            siege.attacks[how.__name__] += 1
            await asyncio.sleep(_PAUSE)

    async def watch() -> None:
        begin = time.monotonic()
        while (now := time.monotonic()) < end:
            descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
            siege.samples.append((now - begin, resident(pid), descriptors))
            await asyncio.sleep(_SAMPLE)

    tasks = [watch(), asyncio.to_thread(_honest, siege, fleet, service, end)]
    for number, (how, count) in enumerate(_ATTACKS.items()):
        tasks += [attack(how, f"127.0.0.{number + 2}") for _ in range(max(1, round(share * count)))]
    await asyncio.gather(*tasks)


def _honest(siege: Siege, fleet: Fleet, service: Service, end: float) -> None:
    """What an agent does, again and again: offers, probe, and the same release."""
    exchange, release = service.campaign("campaign-0"), fleet.release(0).to_bytes()
    steps: tuple[Callable[[], object], ...] = (
        service.offers,
        exchange.pull,
        lambda: exchange.push(release),
    )
    while time.monotonic() < end:
        for step in steps:
            begin = time.monotonic()
            try:
                step()
            except TransportError:
                siege.failures += 1
            siege.times.append(time.monotonic() - begin)
            time.sleep(_PAUSE)
