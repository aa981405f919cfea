"""Where tasks run: one task a shard, in this process or in several. Anything bigger is an existing engine's affair."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol, TypeVar

from proxyset.errors import InvalidInput, ProxysetError

Task = TypeVar("Task")
Result = TypeVar("Result")


class Executor(Protocol):
    """Runs a picklable function on every task; results come in any order."""

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]: ...


@dataclass(frozen=True)
class LocalExecutor:
    """This machine: the calling process when `workers` is 1, else that many fresh processes."""

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InvalidInput(f"--workers must be at least 1, not {self.workers}")

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Raises what the function raises; ProxysetError when a worker dies (finished tasks keep their results)."""
        if self.workers == 1 or len(tasks) <= 1:
            yield from map(function, tasks)
            return
        # a forked child would inherit the threads' locks of BLAS and ONNX Runtime
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self.workers, len(tasks)), mp_context=context) as pool:
            futures = [pool.submit(function, task) for task in tasks]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BrokenProcessPool:
                raise ProxysetError(
                    "a worker process died (out of memory, or killed); what was finished is kept: run the same command again"
                ) from None
            finally:
                for future in futures:
                    future.cancel()
