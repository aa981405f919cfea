"""The SQLite file under a server's state: a connection a thread, whole transactions, errors with the folder's name."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from proxyset.errors import StateError

_WAIT_SECONDS = 30.0


class Database:
    """One file, open in as many threads and processes at once as like to. WAL, flushed at every commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._turn = threading.Lock()  # SQLite's own waiting is by asking again and again
        self._connections: list[sqlite3.Connection] = []
        weakref.finalize(self, _close, self._connections)

    def rows(self, query: str, *values: object) -> list[Any]:
        """All rows that a query finds. Raises StateError."""
        with self.errors("read"):
            return self.connection().execute(query, values).fetchall()

    @contextmanager
    def writing(self, flushed: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction: flushed to the disk when the block ends, undone when it raises. Raises StateError.

        Args:
            flushed: False where a power failure may take back what was written; a crash of the process does not.
        """
        with self.errors("written"), self._turn:
            db = self.connection()
            db.execute(f"PRAGMA synchronous = {'FULL' if flushed else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def connection(self) -> sqlite3.Connection:
        """This thread's own, in autocommit mode; the file begins with the first."""
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            # another thread only ever closes it
            db = sqlite3.connect(
                self.path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connections.append(db)
            self._local.db = db
            self.path.chmod(0o600)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: each checkpoint flushes twice more
        return db

    @contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Whatever SQLite or the disk says becomes a StateError: the state "could not be {verb}"."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            advice = "; make room there and do the same again" if full else ""
            raise StateError(
                f"the state in {self.path.parent} could not be {verb}: {error}{advice}"
            ) from error

    def close(self) -> None:
        """Close the connections of all threads; none of them may be using one."""
        _close(self._connections)
        self._local = threading.local()


def _close(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()
