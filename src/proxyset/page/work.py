"""Work that takes longer than a request: one job at a time in a thread of its own, and what became of each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Literal

from proxyset.errors import ProxysetError

_KEPT = 200

State = Literal["none", "running", "done", "failed"]


class Work:
    """Jobs by name. A job is a function that returns the words to tell about it when it is done."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(1, "proxyset-work")
        self._jobs: dict[str, Future[str]] = {}

    def start(self, name: str, job: Callable[[], str]) -> None:
        """Queue a job, unless one of this name is queued or running."""
        with self._lock:
            if name in self._jobs and not self._jobs[name].done():
                return
            self._jobs.pop(name, None)
            while len(self._jobs) >= _KEPT:
                del self._jobs[next(iter(self._jobs))]
            self._jobs[name] = self._threads.submit(job)

    def state(self, name: str) -> tuple[State, str]:
        """What became of the newest job of this name, and in words why."""
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            return "none", ""
        if not job.done():
            return "running", ""
        error = job.exception()
        if error is None:
            return "done", job.result()
        if isinstance(error, ProxysetError | OSError):
            return "failed", str(error)
        return "failed", f"{type(error).__name__}: {error}. This is a bug"

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._threads.shutdown(cancel_futures=True)
