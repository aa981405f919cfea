"""When the owner's side speaks: at moments that public things decide, never when some work happens to be done.

Work on private data takes as long as the data make it take. So working and sending are two things: between the moment it
asks for a probe and the moment an answer may go, the owner's side is silent, and that moment is a whole multiple of a public
time, the hold, after it asked:

    asks for the probe ──── works, silent ──── done ┄┄ waits ┄┄ asked + hold: sends
    asks for the probe ──── works, silent ─────────────────┼──── done ┄┄ waits ┄┄ asked + 2·hold: sends, and warns

Who sees all requests learns nothing where the work fits into the hold; else how many holds it took, and nothing finer.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Iterator


def due(asked: float, hold: float, now: float) -> float:
    """When an answer may go: the first whole multiple of `hold` after `asked`, at least one, that is not over.

    Args:
        asked: when the probe was asked for; seconds, as the others. One in the future, by a clock that was set back, is now.
        hold: public; greater than 0.
        now: when the answer is there.

    Sensitivity:
        None while the work takes less than `hold`; else the number of holds that it took.
    Unit:
        Any.
    Guarantee:
        The result is a function of `asked`, `hold` and that number alone.
    Assumes:
        `asked` and `hold` depend on nothing private, and nothing is sent in between.
    """
    asked = min(asked, now)
    return asked + hold * max(1, math.ceil((now - asked) / hold))


def rounds(start: float, every: float) -> Iterator[float]:
    """Moments `every` seconds apart from `start` on, each moved by up to a fifth so that a fleet does not ask in step."""
    yield start
    number = 0
    while True:
        number += 1
        yield start + (number + random.uniform(-0.2, 0.2)) * every


def wait_until(moment: float, stop: threading.Event | None = None) -> bool:
    """Wait for a moment of the wall clock. Whether it came; False when `stop` was set before."""
    stop = stop or threading.Event()
    while (left := moment - time.time()) > 0:
        if stop.wait(min(left, 1.0)):  # in steps: the clock may be set, and a signal may just miss a wait
            return False
    return True
