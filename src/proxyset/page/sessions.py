"""Sessions: who is logged in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from proxyset.fingerprint import fingerprint

IDLE_SECONDS = 12 * 3600.0
MOST = 1000


@dataclass
class Session:
    """One browser that is logged in.

    Attributes:
        name: who it is, for the page and the log.
        csrf: the token that every form of this session carries.
        seen: when it was last used, in seconds of `time.monotonic`.
        messages: what to tell at the top of the next page.
    """

    name: str
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    seen: float = field(default_factory=time.monotonic)
    messages: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.messages.append(message)

    def take_messages(self) -> list[str]:
        taken, self.messages = self.messages, []
        return taken


class Store(Protocol):
    """Where the sessions of one site are. Only hashes of their cookies are kept."""

    def begin(self, name: str) -> str:
        """Open a session, and return the value of its cookie."""

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, or None when there is none or it was idle for too long."""

    def end(self, cookie: str) -> None:
        """Close a session, if there is one."""


class Sessions:
    """Sessions in memory: ending the process logs everybody out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._open: dict[str, Session] = {}

    def begin(self, name: str) -> str:
        """Open a session, and return the value of its cookie."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._expire()
            if len(self._open) >= MOST:
                self._open.pop(min(self._open, key=lambda key: self._open[key].seen))
            self._open[hashed(cookie)] = Session(name, seen=self._clock())
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, or None when there is none or it was idle for too long."""
        with self._lock:
            self._expire()
            session = self._open.get(hashed(cookie))
            if session:
                session.seen = self._clock()
            return session

    def end(self, cookie: str) -> None:
        with self._lock:
            self._open.pop(hashed(cookie), None)

    def _expire(self) -> None:
        old = self._clock() - IDLE_SECONDS
        for key in [key for key, session in self._open.items() if session.seen < old]:
            del self._open[key]


class OneTimeToken:
    """A secret that opens one session. After it was used there is a new one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.value = secrets.token_urlsafe(32)

    def take(self, offered: str) -> bool:
        """Whether `offered` is the token; if so it is used up."""
        with self._lock:
            if not secrets.compare_digest(offered.encode(), self.value.encode()):
                return False
            self.value = secrets.token_urlsafe(32)
            return True


def hashed(cookie: str) -> str:
    """What is kept of a cookie."""
    return fingerprint(cookie.encode())
