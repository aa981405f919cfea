"""The database under a server's state: SQLite in a file, or PostgreSQL. Whole transactions, errors that say where.

One SQL for both, by SQLAlchemy's engine: it pools connections, and knows how each driver wants its parameters. A transaction that
writes takes its turn after all others (SQLite: BEGIN IMMEDIATE; PostgreSQL: one advisory lock), so what it read stays true until it
commits, on all servers of a state.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, TextClause, create_engine, event, make_url, text
from sqlalchemy.exc import DataError, SQLAlchemyError, StatementError

from proxyset.errors import InvalidInput, MissingExtra, StateError

_WAIT_SECONDS = 30
_POOL, _MOST = 8, 60  # connections; the threads of a server are 40
_LOCK = 0x50585356  # "PXSV", of those who write


class Session:
    """One transaction; parameters stand as `?` in its statements."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def execute(self, query: str, values: Sequence[object] = ()) -> Any:
        """Run one statement; its result as SQLAlchemy has it."""
        return self.connection.execute(_statement(query), _named(values))


class Database:
    """One database, for as many threads, processes and machines at once as like to.

    Args:
        url: of SQLAlchemy: "sqlite" with a file, or "postgresql+psycopg".
        name: what messages call the state.
    """

    def __init__(self, url: URL, name: str) -> None:
        self.name = name
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._turn = threading.Lock()  # SQLite's own waiting is by asking again and again
        wait = {"timeout": _WAIT_SECONDS} if self.is_sqlite else {"connect_timeout": _WAIT_SECONDS}
        self._engine = create_engine(
            url,
            connect_args=wait,
            pool_size=_POOL,
            max_overflow=_MOST - _POOL,
            pool_pre_ping=not self.is_sqlite,
        )
        weakref.finalize(self, self._engine.dispose)  # who is done with a command does not close it
        # one statement is whole by itself; psycopg would begin a transaction, SQLite's connections do not (`_prepare`)
        self._reading = self._engine
        if not self.is_sqlite:
            self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare)
            event.listen(self._engine, "begin", _begin)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that a query finds. Raises StateError."""
        with self.errors("read"), self._reading.begin() as connection:
            return [tuple(row) for row in Session(connection).execute(query, values)]

    @contextmanager
    def writing(self, flushed: bool = True, verb: str = "written") -> Iterator[Session]:
        """One transaction: flushed to the disk when the block ends, undone when it raises. Raises StateError.

        Args:
            flushed: False where a power failure may take back what was written; a crash of a process does not.
            verb: what could not be done to the state when it fails.
        """
        with self.errors(verb), self._turn, self._engine.connect() as raw:
            connection = raw.execution_options(proxyset_writes=True, proxyset_flushed=flushed)
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                    if not flushed:
                        connection.execute(text("SET LOCAL synchronous_commit TO OFF"))
                yield Session(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """One transaction that reads all as it is at one moment, whoever writes meanwhile. Raises StateError."""
        with self.errors("read"), self._engine.connect() as raw:
            level = {"proxyset_reads": True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
            connection = raw.execution_options(**level)
            with connection.begin():
                yield Session(connection)

    def continue_numbers(self, session: Session, tables: Sequence[str]) -> None:
        """Number new rows of tables after those that were written with numbers of their own."""
        for table in () if self.is_sqlite else tables:
            sequence, last = (
                f"pg_get_serial_sequence('{table}', 'id')",
                f"(SELECT coalesce(max(id), 0) FROM {table})",
            )
            session.execute(f"SELECT setval({sequence}, {last} + 1, false)")

    def faults(self) -> list[str]:
        """What the database itself finds wrong with its file. PostgreSQL has tools of its own for that."""
        told = [str(row[0]) for row in self.rows("PRAGMA integrity_check")] if self.is_sqlite else ["ok"]
        return [] if told == ["ok"] else told

    @contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Whatever the database or the disk says becomes a StateError: the state "could not be {verb}". What cannot be text
        in it is InvalidInput."""
        try:
            yield
        except (DataError, UnicodeEncodeError) as error:
            raise InvalidInput(f"this cannot be kept: {getattr(error, 'orig', error)}") from error
        except (SQLAlchemyError, OSError) as error:
            cause = error.orig if isinstance(error, StatementError) and error.orig else error
            full = getattr(cause, "sqlite_errorname", "") == "SQLITE_FULL" or "No space left" in str(cause)
            advice = "; make room there and do the same again" if full else ""
            raise StateError(f"the state in {self.name} could not be {verb}: {cause}{advice}") from error

    def close(self) -> None:
        """Close the connections of all threads; none of them may be using one."""
        self._engine.dispose()


def sqlite(path: Path) -> Database:
    """The database in a file. Its folder must be there."""
    return Database(URL.create("sqlite", database=str(path)), str(path.parent))


def postgresql(url: str) -> tuple[Database, Path]:
    """The database of a URL, and the folder of the state's files that its query names.

    Raises:
        InvalidInput: no such URL. MissingExtra: psycopg is not installed.
    """
    form = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?files=FOLDER"
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        raise InvalidInput(f"a state is a folder or {form}") from None  # its text may hold a password
    files = parsed.query.get("files")
    if parsed.drivername != "postgresql" or not isinstance(files, str) or not files:
        raise InvalidInput(f"a state is a folder or {form}, not {parsed.render_as_string()!r}")
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise MissingExtra("psycopg", "postgresql", "A state in PostgreSQL") from None
    plain = parsed.difference_update_query(["files"])
    return Database(plain.set(drivername="postgresql+psycopg"), plain.render_as_string()), Path(
        files
    ).absolute()


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says so
    (file,) = (row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
    Path(file).chmod(0o600)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: each checkpoint flushes twice more


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("proxyset_writes"):
        level = "FULL" if options.get("proxyset_flushed") else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif options.get("proxyset_reads"):
        connection.exec_driver_sql("BEGIN")


@lru_cache(maxsize=1000)
def _statement(query: str) -> TextClause:
    first, *others = query.split("?")
    return text(first + "".join(f":p{number}{part}" for number, part in enumerate(others)))


def _named(values: Sequence[object]) -> dict[str, object]:
    return {f"p{number}": value for number, value in enumerate(values)}
