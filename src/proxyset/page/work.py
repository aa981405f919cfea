"""Work that takes longer than a request: one job at a time in a thread of its own, and what became of each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from proxyset.errors import ProxysetError

_KEPT = 200

State = Literal["none", "running", "done", "failed"]
Say = Callable[[str], None]


@dataclass
class _Job:
    words: str = "It waits for what was begun before it."
    future: Future[str] = field(default_factory=Future)

    def say(self, words: str) -> None:
        self.words = words


class Work:
    """Jobs by name. A job is a function that is given a way to say how far it is, and returns the words to tell when it is done."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(1, "proxyset-work")
        self._jobs: dict[str, _Job] = {}

    def start(self, name: str, job: Callable[[Say], str]) -> None:
        """Queue a job, unless one of this name is queued or running."""
        with self._lock:
            if name in self._jobs and not self._jobs[name].future.done():
                return
            self._jobs.pop(name, None)
            while len(self._jobs) >= _KEPT:
                del self._jobs[next(iter(self._jobs))]
            new = self._jobs[name] = _Job()
            new.future = self._threads.submit(_run, new, job)

    def wait(self, name: str, seconds: float) -> None:
        """Until the newest job of this name has ended, but no longer than so many seconds."""
        with self._lock:
            job = self._jobs.get(name)
        if job is not None:
            wait([job.future], seconds)

    def state(self, name: str) -> tuple[State, str]:
        """What became of the newest job of this name, and in words why; of one that runs, how far it says it is."""
        with self._lock:
            known = self._jobs.get(name)
        if known is None:
            return "none", ""
        job = known.future
        if not job.done():
            return "running", known.words
        error = job.exception()
        if error is None:
            return "done", job.result()
        if isinstance(error, ProxysetError | OSError):
            return "failed", str(error)
        return "failed", f"{type(error).__name__}: {error}. This is a bug"

    def forget(self, name: str) -> tuple[State, str]:
        """What became of the newest job of this name, told for the last time unless it still runs."""
        told = self.state(name)
        with self._lock:
            if told[0] != "running":
                self._jobs.pop(name, None)
        return told

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._threads.shutdown(cancel_futures=True)


def _run(job: _Job, work: Callable[[Say], str]) -> str:
    job.say("")
    return work(job.say)
