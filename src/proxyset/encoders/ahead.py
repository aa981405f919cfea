"""Work done ahead of need, in threads: decoding while the model runs, reading while a batch is encoded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_MOST_THREADS = 4
_END = object()


def ahead(function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """`map`, with a few results ahead of the one asked for; what a task raises comes out in its turn.

    For functions that let go of Python's lock, as Pillow's decoders do. At most as many results as threads, and one more,
    are held.
    """
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_ahead(items: Iterator[Result]) -> Iterator[Result]:
    """The items, the next of which is always being fetched."""
    with ThreadPoolExecutor(1) as pool:
        coming: Future[Result | object] = pool.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]
