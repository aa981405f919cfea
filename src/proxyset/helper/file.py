"""A SQLite file for SQLAlchemy: what a transaction has committed is on the disk, whatever is killed when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from proxyset.errors import MissingExtra, StateError

try:
    from sqlalchemy import Connection, Engine, MetaData, create_engine, event
    from sqlalchemy.exc import SQLAlchemyError
except ImportError as error:
    raise MissingExtra(error.name or "sqlalchemy", "fleet", "Two-party sums") from None

_WAIT_SECONDS = 60


def durable(path: Path, tables: MetaData) -> Engine:
    """The engine of a file; the file and its tables begin with the first call.

    Raises:
        StateError: it cannot be opened, or is something else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(0o600)
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _WAIT_SECONDS})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        tables.create_all(engine)
    except (OSError, SQLAlchemyError) as error:
        raise StateError(f"the state in {path} could not be opened: {error}") from error
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, alone: on the disk when the block ends, undone when it raises.

    Raises:
        StateError: it could not be read or written.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StateError(f"the state in {engine.url.database} could not be written: {error}") from error


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, and not by the driver
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
