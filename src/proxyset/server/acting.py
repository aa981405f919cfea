"""Who is acting: noted beside every act of an operator, in the same transaction (`State.acts`)."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxyset.server.records import now
from proxyset.server.rows import text_of

if TYPE_CHECKING:
    from proxyset.server.database import Session


@dataclass(frozen=True)
class Actor:
    """Somebody, and the way he came: "api", "page" or "command"."""

    name: str
    way: str


_ACTOR: ContextVar[Actor | None] = ContextVar("proxyset_actor", default=None)


def act_as(name: str, way: str) -> None:
    """Note what follows in this request as that operator's."""
    _ACTOR.set(Actor(name, way))


@contextmanager
def acting(name: str, way: str) -> Iterator[None]:
    """Note what happens inside as that operator's."""
    before = _ACTOR.set(Actor(name, way))
    try:
        yield
    finally:
        _ACTOR.reset(before)


def actor() -> Actor:
    """Who acts now. Without a request it is the user of this machine, by a command or a program."""
    return _ACTOR.get() or Actor(_user(), "command")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "?"


def note(db: Session, act: str, what: str) -> None:
    """Write down who does what, in the transaction that does it."""
    who = actor()
    values = (text_of(now()), who.name, who.way, act, what)
    db.execute("INSERT INTO acts (at, who, way, act, object) VALUES (?, ?, ?, ?, ?)", values)
