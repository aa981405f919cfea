"""Keepers as the server sees them: processes beside it that verify signatures and store releases.

Most of what a release costs is arithmetic that holds the interpreter's lock; in a process of its own it leaves the server's
free to talk. Whatever is asked of a keeper within one turn of the event loop travels together.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from proxyset.errors import ArtifactError, StateError
from proxyset.server.frames import Answer, Frames, Question, Verdict, framed
from proxyset.server.logs import LOGGER
from proxyset.server.records import Outcome

_WAITING = 20_000
_AGAIN_SECONDS = 1.0
_END_SECONDS = 20
_NONE = "the process that stores releases is not running: try again in a moment"
_TOGETHER = 32  # questions: while more come in, the process is at work on these


@dataclass(frozen=True)
class Kept:
    """What became of a release, and its fingerprint."""

    outcome: Outcome
    fingerprint: str


class Keeper(asyncio.Protocol):
    """Starts the process, asks it, and starts another should it ever end by itself.

    Args:
        folder: of the state.
        batch_stored: told the number of releases of each commit.
    """

    def __init__(self, folder: Path, batch_stored: Callable[[int], None] = lambda size: None) -> None:
        self._folder, self._batch_stored = folder, batch_stored
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._outbox: list[Question] = []
        self._ticket = 0
        self._stopping = False

    async def start(self) -> None:
        """Begin the process; what is asked before it is ready waits for it."""
        self._loop = asyncio.get_running_loop()
        self._frames = Frames()
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "proxyset.server.keeper_process", str(self._folder)]
        with theirs:
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
        await self._loop.create_connection(lambda: self, sock=ours)

    async def stop(self) -> None:
        """Store what waits, then end the process."""
        self._stopping = True
        self._flush()
        if self._transport is not None and self._process is not None:
            self._transport.write_eof()
            try:
                await asyncio.to_thread(self._process.wait, _END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self._transport is not None and not self._stopping

    @property
    def waiting(self) -> int:
        """Questions that it has not answered."""
        return len(self._waiting)

    async def verify(self, key: str, signature: str, text: bytes) -> bool:
        """Whether a signature is that key's, of that text; all but the text in hexadecimal.

        Raises:
            StateError: nobody can tell now.
        """
        verdict, _ = await self._ask("verify", key, signature, text)
        return verdict == Verdict.valid

    async def store(self, campaign: str, client: str, release: bytes) -> Kept:
        """Check a release (`submission.check_submission`) and store it; it is on the disk when this returns.

        Raises:
            ArtifactError: it is not what the campaign asked for.
            StateError: it could not be written, or too many wait already.
        """
        verdict, detail = await self._ask("store", campaign, client, release)
        if verdict == Verdict.unfit:
            raise ArtifactError(detail)
        return Kept(Outcome(verdict), detail)

    async def _ask(self, kind: str, first: str, second: str, data: bytes) -> tuple[str, str]:
        if not self.running:
            raise StateError(_NONE)
        if self.waiting >= _WAITING:
            raise StateError(f"{_WAITING} requests wait already: try again later")
        self._ticket += 1
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[self._ticket] = answer
        self._outbox.append((self._ticket, kind, first, second, data))
        if len(self._outbox) == 1:
            self._loop.call_soon(self._flush)
        elif len(self._outbox) == _TOGETHER:
            self._flush()
        _, verdict, detail = await answer
        if verdict == Verdict.failed:
            raise StateError(detail)
        if verdict == Verdict.broken:
            raise RuntimeError("the keeper failed; its own lines on standard error say why")
        return verdict, detail

    def _flush(self) -> None:
        if self._outbox and self._transport is not None:
            self._transport.write(framed(self._outbox))
        self._outbox.clear()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's

    def data_received(self, data: bytes) -> None:
        for answers in self._frames.feed(data):
            stored = sum(answer[1] in _OUTCOMES for answer in answers)
            if stored:
                self._batch_stored(stored)
            for answer in answers:
                waiting = self._waiting.pop(answer[0])
                if not waiting.done():  # who asked went away meanwhile
                    waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._outbox.clear()
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if not each.done():
                each.set_exception(StateError("the process that stores releases ended: send it again"))
        if not self._stopping and self._process is not None:
            self._process.kill()  # if it has not ended, but only stopped to listen
            self._process.wait()
            LOGGER.error("the keeper ended by itself; another is started")
            self._starting = self._loop.create_task(self._again())

    async def _again(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            if self._stopping:
                return None
            try:
                return await self.start()
            except OSError as error:  # no memory, no process to be had
                LOGGER.error("no keeper can be started, trying again: %s", error)


class Keepers:
    """Several keepers of one state; each question goes to the one with the fewest. SQLite keeps their commits apart.

    Args:
        folder: of the state.
        count: how many.
        batch_stored: told the number of releases of each commit.
    """

    def __init__(
        self, folder: Path, count: int = 1, batch_stored: Callable[[int], None] = lambda size: None
    ) -> None:
        self._all = [Keeper(folder, batch_stored) for _ in range(count)]

    async def start(self) -> None:
        """Begin the processes."""
        await asyncio.gather(*(keeper.start() for keeper in self._all))

    async def stop(self) -> None:
        """Store what waits, then end the processes."""
        await asyncio.gather(*(keeper.stop() for keeper in self._all))

    def check(self) -> None:
        """Raises StateError when there is no process, so that nobody waits for one."""
        self._idlest()

    async def verify(self, key: str, signature: str, text: bytes) -> bool:
        """As `Keeper.verify`."""
        return await self._idlest().verify(key, signature, text)

    async def store(self, campaign: str, client: str, release: bytes) -> Kept:
        """As `Keeper.store`."""
        return await self._idlest().store(campaign, client, release)

    def _idlest(self) -> Keeper:
        running = [keeper for keeper in self._all if keeper.running]
        if not running:
            raise StateError(_NONE)
        return min(running, key=lambda keeper: keeper.waiting)


_OUTCOMES = frozenset(outcome.value for outcome in Outcome)
