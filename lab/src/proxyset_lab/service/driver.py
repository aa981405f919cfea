"""A plain HTTP client for many connections at once, and the servers it drives, each a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from proxyset.errors import TransportError

_SERVE = "from proxyset.cli import main; main()"


@dataclass(frozen=True)
class Answer:
    """Status, bytes of the body, and seconds it took."""

    status: int
    size: int
    seconds: float


class Connection:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, url: str, trust: Path | None = None) -> Connection:
        parts = urlsplit(url)
        tls = ssl.create_default_context(cafile=trust) if trust else None
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 18, ssl=tls))

    async def send(self, request: bytes) -> Answer:
        begin = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(size)
        return Answer(int(head[9:12]), size, time.perf_counter() - begin)

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


async def all_at_once(
    url: str, stories: Sequence[list[bytes]], trust: Path | None = None
) -> tuple[list[Answer], float]:
    """Every story on a connection of its own, all at the same time; the answers, and seconds from first to last."""

    async def tell(connection: Connection, story: list[bytes]) -> list[Answer]:
        return [await connection.send(request) for request in story]

    connections = [await Connection.to(url, trust) for _ in stories]
    begin = time.perf_counter()
    told = await asyncio.gather(*map(tell, connections, stories))
    seconds = time.perf_counter() - begin
    await asyncio.gather(*(connection.close() for connection in connections))
    return [answer for answers in told for answer in answers], seconds


class Program:
    """A server in a process of its own, which tells on its first line where it listens."""

    def __init__(self, command: list[str]) -> None:
        self.url = ""
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens. Raises TransportError: it ends instead."""
        process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
        )
        if process.stdout is None or not (line := process.stdout.readline()):
            process.wait()
            raise TransportError(f"{self._command[1:4]} did not start: run it by hand to see why")
        self._process, self.url = process, json.loads(line)["url"]

    @property
    def pid(self) -> int:
        """Of its process. Raises TransportError: it is not running."""
        if self._process is None:
            raise TransportError(f"{self._command[1:4]} is not running")
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, if it runs, and wait."""
        if self._process is not None:
            self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdout is not None:
            os.kill(process.pid, how)
            process.wait(timeout=60)
            process.stdout.close()


def server(state: Path | str, port: int = 0, *options: str) -> Program:
    """`proxyset serve` without limits on rates (all comes from one address), but with its log."""
    command = [sys.executable, "-c", _SERVE, "serve", "--state", str(state), "--port", str(port), "--json"]
    return Program([*command, "--address-rate", "0", "--client-rate", "0", *options])


def echo(size: int) -> Program:
    """A bare ASGI application on uvicorn that answers GET with `size` bytes and POST with 80."""
    return Program([sys.executable, "-c", "from proxyset_lab.service.echo import main; main()", str(size)])


@contextmanager
def running(program: Program) -> Iterator[Program]:
    """A program, started, and stopped at the end."""
    program.start()
    try:
        yield program
    finally:
        program.stop()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Core-seconds that a process and its children have used, kernel time included."""
    used = 0.0
    for each in family(pid):
        for task in Path(f"/proc/{each}/task").iterdir():
            used += int((task / "schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
    return used


def resident(pid: int) -> float:
    """MiB of a process and its children in memory."""
    status = [Path(f"/proc/{each}/status").read_text(encoding="utf-8") for each in family(pid)]
    return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in status) / 1024


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [pid, *map(int, children)]
