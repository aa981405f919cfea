"""Look-ups that may be a second old."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

RECENT_SECONDS = 1.0
Value = TypeVar("Value")


class Recent(Generic[Value]):
    """What was looked up within the last second. The state judges again when a release is stored."""

    def __init__(self, look_up: Callable[[str], Value], most: int = 20_000) -> None:
        self._look_up, self._most = look_up, most
        self._held: dict[str, Value] = {}
        self._since = 0.0

    def __getitem__(self, name: str) -> Value:
        now = time.monotonic()
        if now - self._since > RECENT_SECONDS or len(self._held) > self._most:
            self._held.clear()
            self._since = now
        if name not in self._held:
            self._held[name] = self._look_up(name)
        return self._held[name]
