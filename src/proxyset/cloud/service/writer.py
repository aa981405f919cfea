"""One thread that stores releases: all that wait at one time share one flush of the disk."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from proxyset.cloud.records import Outcome, Submission
from proxyset.cloud.state import State
from proxyset.errors import StateError

_BATCH = 500
_GATHER_SECONDS = 0.005  # a release waits this long for others to share the flush, which takes longer

Settled = list[tuple[int, Outcome | StateError]]


class Writer:
    """Stores submissions, and tells what became of each after the commit.

    Args:
        state: what it writes to.
        settle: called in the writer's thread, once a commit, with the ticket and the outcome of each submission in it; the
            outcome is a StateError for all of them when nothing could be written.
    """

    def __init__(self, state: State, settle: Callable[[Settled], None]) -> None:
        self._state, self._settle = state, settle
        self._queue: queue.SimpleQueue[tuple[int, Submission] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def store(self, ticket: int, submission: Submission) -> None:
        """Have one release stored."""
        self._queue.put((ticket, submission))

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            time.sleep(_GATHER_SECONDS)
            batch, last = [first], False
            while len(batch) < _BATCH and not self._queue.empty():
                if (item := self._queue.get()) is None:
                    last = True
                    break
                batch.append(item)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[tuple[int, Submission]]) -> None:
        outcomes: list[Outcome | StateError]
        try:
            outcomes = [*self._state.store([submission for _, submission in batch])]
        except StateError as error:
            outcomes = [error] * len(batch)
        self._settle([(ticket, outcome) for (ticket, _), outcome in zip(batch, outcomes, strict=True)])
