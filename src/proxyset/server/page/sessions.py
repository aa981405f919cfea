"""Sessions of the operator's page in the server's state: any server of it knows who is logged in, also after a restart."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from proxyset.page.sessions import Session, hashed
from proxyset.server.state import State

_SEEN_SECONDS = 60  # how exactly it is known when a session was last used


@dataclass
class StoredSession(Session):
    """A session whose messages are in the state."""

    state: State | None = None
    hash: str = ""

    def say(self, message: str) -> None:
        if self.state is not None:
            self.state.accounts.swap_messages(self.hash, [*self.take_messages(), message])

    def take_messages(self) -> list[str]:
        return self.state.accounts.swap_messages(self.hash, []) if self.state is not None else []


class StoredSessions:
    """All sessions of the page. Only hashes of their cookies are kept."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state, self._clock = state, clock

    def begin(self, name: str) -> str:
        """Open a session, and return the value of its cookie."""
        cookie = secrets.token_urlsafe(32)
        self._state.accounts.begin_session(
            hashed(cookie), name, secrets.token_urlsafe(32), int(self._clock())
        )
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, or None when there is none or it was idle for too long."""
        hash, now = hashed(cookie), int(self._clock())
        found = self._state.accounts.session(hash, now) if cookie else None
        if found is None:
            return None
        name, csrf, seen = found
        if now - seen >= _SEEN_SECONDS:
            self._state.accounts.see_session(hash, now)
        return StoredSession(name, csrf, seen, state=self._state, hash=hash)

    def end(self, cookie: str) -> None:
        """Close a session, if there is one."""
        self._state.accounts.end_session(hashed(cookie))
