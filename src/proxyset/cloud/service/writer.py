"""One thread that stores releases: all that wait at one time share one flush of the disk."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable

from proxyset.cloud.records import Outcome, Submission
from proxyset.cloud.state import State
from proxyset.errors import StateError

_BATCH = 500
_WAITING = 20_000
_GATHER_SECONDS = 0.005  # a release waits this long for others to share the flush, which takes longer

_Waiting = tuple[Submission, "asyncio.Future[Outcome]", asyncio.AbstractEventLoop]


class Writer:
    """Stores submissions; the answer comes after the commit."""

    def __init__(self, state: State, batch_stored: Callable[[int], None] = lambda size: None) -> None:
        self._state = state
        self._batch_stored = batch_stored
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def check(self) -> None:
        """Raises StateError when the thread is not running, so that nobody waits for it."""
        if not self._thread.is_alive():
            raise StateError("the writer has ended: start the server again")

    async def store(self, submission: Submission) -> Outcome:
        """Store one release; it is on the disk when this returns.

        Raises:
            StateError: it could not be written, or too many wait already.
        """
        self.check()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        try:
            self._queue.put_nowait((submission, future, loop))
        except queue.Full:
            raise StateError(f"{_WAITING} releases wait to be stored: send it again later") from None
        return await future

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            time.sleep(_GATHER_SECONDS)
            batch, last = [first], False
            while len(batch) < _BATCH and not self._queue.empty():
                if (item := self._queue.get()) is None:
                    last = True
                    break
                batch.append(item)
            self._settle(batch)
            if last:
                return

    def _settle(self, batch: list[_Waiting]) -> None:
        loop = batch[0][2]
        try:
            outcomes = self._state.store([submission for submission, _, _ in batch])
        except BaseException as error:
            loop.call_soon_threadsafe(_fail, batch, str(error))
            if not isinstance(error, StateError):
                raise  # a bug ends the thread, and `check` tells
        else:
            self._batch_stored(len(batch))
            loop.call_soon_threadsafe(_resolve, batch, outcomes)


def _resolve(batch: list[_Waiting], outcomes: list[Outcome]) -> None:
    for (_, future, _), outcome in zip(batch, outcomes, strict=True):
        if not future.done():  # the sender went away meanwhile
            future.set_result(outcome)


def _fail(batch: list[_Waiting], message: str) -> None:
    for _, future, _ in batch:
        if not future.done():
            future.set_exception(StateError(message))
