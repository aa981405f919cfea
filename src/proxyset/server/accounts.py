"""Who may operate a server: operators by token or by a provider's word, and their sessions on the page."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from proxyset.errors import InvalidInput, NameTaken, UnknownName
from proxyset.page.sessions import IDLE_SECONDS
from proxyset.printable import shortened
from proxyset.server.acting import note
from proxyset.server.records import OIDC, Operator, check_name, check_scope, now
from proxyset.server.rows import operator_of, text_of

if TYPE_CHECKING:
    from proxyset.server.database import Database

_READ = "name, scopes, created, revoked, until"
_ALL = f"{_READ}, hash"


class Accounts:
    """The operators of a state, and who is logged in. Secrets are kept as SHA-256 only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, scopes: Iterable[str]) -> str:
        """A bearer token for an operator. Only its hash is kept. Who was revoked can come again under the same name.

        Args:
            scopes: each a `Scope`, or one in a campaign, as "read:lung-ct".

        Raises:
            InvalidInput: no name, or no such scope. NameTaken: another has it.
        """
        check_name(name, "an operator's name")
        if name.startswith(OIDC):
            raise InvalidInput(f"{name!r}: names that begin with {OIDC!r} are those of a provider's people")
        secret, held = secrets.token_urlsafe(32), ",".join(sorted(set(map(check_scope, scopes))))
        with self._database.writing() as db:
            db.execute("DELETE FROM operators WHERE name = ? AND revoked IS NOT NULL", (name,))
            if db.execute("SELECT 1 FROM operators WHERE name = ?", (name,)).fetchone():
                raise NameTaken(f"there is an operator {name!r} already: choose another name")
            db.execute(
                f"INSERT INTO operators ({_ALL}) VALUES (?, ?, ?, NULL, NULL, ?)",
                (name, held, text_of(now()), hashed(secret)),
            )
            note(db, "make operator", f"{name}: {held}")
        return secret

    def vouch(self, who: Operator) -> bool:
        """Remember for whom a provider vouches, until when. Whether he may come in: who was revoked here may not."""
        held = ",".join(sorted(who.scopes))
        with self._database.writing() as db:
            row = db.execute("SELECT revoked FROM operators WHERE name = ?", (who.name,)).fetchone()
            if row and row[0]:
                return False
            db.execute("DELETE FROM operators WHERE name = ?", (who.name,))
            db.execute(
                f"INSERT INTO operators ({_ALL}) VALUES (?, ?, ?, NULL, ?, ?)",
                (
                    who.name,
                    held,
                    text_of(who.created),
                    text_of(who.until),
                    who.name,
                ),  # no token has that hash
            )
            note(db, "vouch for", f"{who.name}: {held}")
        return True

    def readmit(self, name: str) -> None:
        """Let somebody who was revoked come again by his provider. Raises UnknownName: nobody such was revoked."""
        with self._database.writing() as db:
            found = db.execute(
                "DELETE FROM operators WHERE name = ? AND revoked IS NOT NULL AND until IS NOT NULL", (name,)
            )
            if found.rowcount == 0:
                raise UnknownName(
                    f"nobody called {shortened(name, 100)!r} came by a provider and was revoked"
                )
            note(db, "readmit operator", name)

    def all(self) -> list[Operator]:
        """All operators, oldest first, revoked ones too."""
        rows = self._database.rows(f"SELECT {_READ} FROM operators ORDER BY created, name")
        return [operator_of(row) for row in rows]

    def named(self, name: str) -> Operator | None:
        """Raises nothing: None where there is nobody of that name. Look whether he is `good`."""
        rows = self._database.rows(f"SELECT {_READ} FROM operators WHERE name = ?", name)
        return operator_of(rows[0]) if rows else None

    def holder(self, token: str) -> Operator | None:
        """Whose token this is; None for a stranger's or a revoked one."""
        rows = self._database.rows(
            f"SELECT {_READ} FROM operators WHERE hash = ? AND revoked IS NULL",
            hashed(token),
        )
        return operator_of(rows[0]) if rows else None

    def revoke(self, name: str) -> None:
        """Raises UnknownName."""
        with self._database.writing() as db:
            if not db.execute("SELECT 1 FROM operators WHERE name = ?", (name,)).fetchone():
                raise UnknownName(f"there is no operator {name!r}")
            found = db.execute(
                "UPDATE operators SET revoked = ? WHERE name = ? AND revoked IS NULL", (text_of(now()), name)
            )
            if found.rowcount:
                note(db, "revoke operator", name)

    # Sessions of the page

    def begin_session(self, hash: str, name: str, csrf: str, seen: int) -> None:
        """Remember who logged in; those that were idle are forgotten."""
        with self._database.writing() as db:
            db.execute("DELETE FROM sessions WHERE seen < ?", (seen - int(IDLE_SECONDS),))
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, '[]')", (hash, name, csrf, seen))
            note(db, "log in", name)

    def session(self, hash: str, seen: int) -> tuple[str, str, int] | None:
        """Name, token of the forms and last use of a session, unless it was idle for too long."""
        rows = self._database.rows(
            "SELECT name, csrf, seen FROM sessions WHERE hash = ? AND seen >= ?",
            hash,
            seen - int(IDLE_SECONDS),
        )
        return (str(rows[0][0]), str(rows[0][1]), int(rows[0][2])) if rows else None

    def see_session(self, hash: str, seen: int) -> None:
        """Remember when a session was last used."""
        with self._database.writing(flushed=False) as db:
            db.execute("UPDATE sessions SET seen = ? WHERE hash = ?", (seen, hash))

    def end_session(self, hash: str) -> None:
        """Forget it."""
        with self._database.writing() as db:
            db.execute("DELETE FROM sessions WHERE hash = ?", (hash,))

    def swap_messages(self, hash: str, messages: list[str]) -> list[str]:
        """What a session was to be told at the top of its next page; these are instead, from now on."""
        with self._database.writing(flushed=False) as db:
            row = db.execute("SELECT messages FROM sessions WHERE hash = ?", (hash,)).fetchone()
            db.execute("UPDATE sessions SET messages = ? WHERE hash = ?", (json.dumps(messages), hash))
        return list(json.loads(row[0])) if row else []


def hashed(secret: str) -> str:
    """What is kept of a secret of 32 random bytes."""
    return hashlib.sha256(secret.encode()).hexdigest()
