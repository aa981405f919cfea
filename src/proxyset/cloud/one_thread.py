"""Linear algebra on one thread, where what it gives is promised to be the same bytes everywhere.

BLAS adds up in another order on another number of threads, so last digits would follow the cores of a machine, and the
engine: Ray gives each task one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_inside = 0
_limits: threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Give BLAS one thread in this process until the last of those who asked for it is done; also a decorator."""
    global _inside, _limits
    with _lock:
        if _inside == 0:
            _limits = threadpool_limits(1, "blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()
