"""Where tasks run: one task a shard, in this process, in several, or on a Ray cluster.

A task leaves its result as whole files with a completion marker, so running it twice does no harm: a task whose worker
died is given to another one, a few times, and a build that failed all the same goes on where it stopped.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol, TypeVar

from proxyset.errors import InvalidInput, ProxysetError, needing

Task = TypeVar("Task")
Result = TypeVar("Result")

_RETRIES = 3
_DIED = "a worker process died {times} times (out of memory, or killed); what was finished is kept: run the same command again"
_NOT_STARTED = (
    "no worker process could start; what it said is above. A script that builds with workers needs `if __name__ == "
    '"__main__":` before its calls, and nothing on Python\'s path may have the name of one of its modules'
)
_NO_CLUSTER = (
    "no Ray cluster at {address}: {why}. Give the address of its head as `ray start` printed it, such as 10.0.0.1:6379 or "
    "ray://10.0.0.1:10001; the versions of Ray must be the same, and a cluster with tokens (RAY_AUTH_MODE=token) wants its token "
    "here too, in RAY_AUTH_TOKEN or ~/.ray/auth_token"
)
_PATIENCE = 45  # seconds in which a cluster says that it is one


class Executor(Protocol):
    """Runs a picklable function on every task; results come in any order."""

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]: ...


@dataclass(frozen=True)
class LocalExecutor:
    """This machine: the calling process when `workers` is 1, else that many fresh processes.

    They end with the calling process, however that ends, and leave Ctrl-C to it.
    """

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
        ours, theirs = context.Pipe()
        most = min(self.workers, len(numbers))
        pool = ProcessPoolExecutor(most, context, _live_with_parent, (theirs,))
        with ours, theirs:
            try:
                with _uninterrupted():
                    futures = {pool.submit(function, tasks[number]): number for number in numbers}
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BrokenProcessPool:
                if not ours.poll():
                    raise ProxysetError(_NOT_STARTED) from None
                raise
            except (KeyboardInterrupt, SystemExit, GeneratorExit):
                ours.close()  # nobody waits for what the workers are doing
                raise
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits, and processes that start meanwhile never get it: a terminal sends it to all."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live_with_parent(parent: Connection) -> None:
    """Tell the parent that this worker started, and end as soon as the parent lets go of the pipe or is no more."""

    def watch() -> None:
        wait([parent])
        os._exit(1)

    parent.send_bytes(b"started")
    threading.Thread(target=watch, daemon=True).start()


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
        with needing("ray", "Ray clusters"):
            import ray
        started = not ray.is_initialized()
        if started:
            # None would join whatever cluster somebody has left running on this machine
            address = self.address or os.environ.get("RAY_ADDRESS") or "local"
            _check_address(address)
            try:
                ray.init(
                    address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
                )
            except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                raise ProxysetError(_NO_CLUSTER.format(address=address, why=error)) from None
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


def _check_address(address: str) -> None:
    """Ask whoever listens there whether it is a Ray cluster; `ray.init` asks again and again, for minutes.

    Raises:
        ProxysetError: nobody listens, or something else than a cluster of this version that takes our token.
    """
    host, _, port = address.rpartition("://")[2].partition("?")[0].rpartition(":")
    if address in ("local", "auto") or not port.isdecimal():
        return  # found, or refused, at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ProxysetError(_NO_CLUSTER.format(address=address, why=error)) from None
    if "://" in address:
        return  # which has a limit of its own
    question = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        asked = subprocess.run(
            question, capture_output=True, encoding="utf-8", timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        why = f"what listens there did not answer as one within {_PATIENCE} seconds"
    else:
        if not asked.returncode:
            return
        said = asked.stderr.strip().splitlines()
        why = said[-1] if said and asked.returncode > 0 else f"`ray status` ended with {asked.returncode}"
    raise ProxysetError(_NO_CLUSTER.format(address=address, why=why))


def _call(function: Callable[[Task], Result], task: Task) -> Result:
    """What Ray runs: it takes plain functions only."""
    return function(task)
