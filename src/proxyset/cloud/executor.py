"""Where tasks run: one task a shard, in this process, in several, or on a Ray cluster.

A task leaves its result as whole files with a completion marker, so running it twice does no harm: a task whose worker
died is given to another one, a few times, and a build that failed all the same goes on where it stopped.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from proxyset.errors import InvalidInput, MissingExtra, ProxysetError

Task = TypeVar("Task")
Result = TypeVar("Result")

_RETRIES = 3
_DIED = "a worker process died {times} times (out of memory, or killed); what was finished is kept: run the same command again"


class Executor(Protocol):
    """Runs a picklable function on every task; results come in any order."""

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]: ...


@dataclass(frozen=True)
class LocalExecutor:
    """This machine: the calling process when `workers` is 1, else that many fresh processes."""

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InvalidInput(f"workers must be at least 1, not {self.workers}")

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Raises what the function raises; ProxysetError when workers die more than a few times."""
        if self.workers == 1 or len(tasks) <= 1:
            yield from map(function, tasks)
            return
        waiting = list(range(len(tasks)))
        for died in range(_RETRIES + 1):
            try:
                for number, result in self._pool(function, tasks, waiting):
                    waiting.remove(number)
                    yield result
                return
            except BrokenProcessPool:
                if died == _RETRIES:
                    raise ProxysetError(_DIED.format(times=died + 1)) from None

    def _pool(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], numbers: Sequence[int]
    ) -> Iterator[tuple[int, Result]]:
        # a forked child would inherit the threads' locks of BLAS and ONNX Runtime
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self.workers, len(numbers)), mp_context=context) as pool:
            futures = {pool.submit(function, tasks[number]): number for number in numbers}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                for future in futures:
                    future.cancel()


@dataclass(frozen=True)
class RayExecutor:
    """A Ray cluster; without an address the one that RAY_ADDRESS names, else a new one of this machine's cores.

    Every node needs proxyset, and sees the pool, the index's folder and an encoder's weights under the same path.

    Args:
        address: as `ray.init` takes it: "auto", "host:6379", "ray://host:10001".
        cores: cores that Ray reserves for one task.
    """

    address: str | None = None
    cores: float = 1

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Raises what the function raises; ProxysetError when the workers of one task die more than a few times."""
        try:
            import ray
        except ImportError:
            raise MissingExtra("ray", "ray", "Ray clusters") from None
        started = not ray.is_initialized()
        if started:
            ray.init(
                address=self.address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        try:
            yield from self._submitted(ray, function, tasks)
        finally:
            if started:
                ray.shutdown()

    def _submitted(
        self, ray: Any, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[Result]:
        remote = ray.remote(num_cpus=self.cores, max_retries=_RETRIES)(_call)
        shared = ray.put(function)
        # some tasks for every core, so that none waits and a plan of a million shards does not fill the head node
        most = max(8, 4 * int(ray.cluster_resources().get("CPU", 1)))
        waiting = iter(tasks)
        running: list[Any] = []
        while True:
            for task in waiting:
                running.append(remote.remote(shared, task))
                if len(running) == most:
                    break
            if not running:
                return
            (done, *_), running = ray.wait(running, num_returns=1)
            try:
                yield ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                raise ProxysetError(_DIED.format(times=_RETRIES + 1)) from None


def _call(function: Callable[[Task], Result], task: Task) -> Result:
    """What Ray runs: it takes plain functions only."""
    return function(task)
