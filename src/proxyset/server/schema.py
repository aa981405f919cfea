"""How a database becomes one of today's: Alembic's revisions in `migrations/versions`, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from sqlalchemy import Connection, inspect, text

from proxyset.errors import StateError
from proxyset.server.database import Database

APPLICATION_ID = 0x50585356  # "PXSV"
HEAD = "0003"
TABLES = 3  # the last version before Alembic's, which counted in SQLite's user_version


def migrate(database: Database) -> None:
    """Bring a database to today's schema, all or nothing. An empty one becomes a new state.

    Raises:
        StateError: not a state, or one of a newer proxyset.
    """
    if _revision(database) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with database.writing(
        verb="opened"
    ) as session:  # another process may have been first: Alembic looks again
        config.attributes["connection"] = session.connection
        command.upgrade(config, "head")


def _revision(database: Database) -> str:
    """The revision of a database; "" before the first."""
    with database.writing(flushed=False, verb="opened") as session:
        connection = session.connection
        tables = set(inspect(connection).get_table_names())
        if database.is_sqlite:
            _check_file(connection, bool(tables), database.name)
        elif tables and "alembic_version" not in tables:
            raise StateError(
                f"{database.name} is not the state of a proxyset server; choose another database"
            )
        if "alembic_version" not in tables:
            return ""
        found = cast(str, connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
    if found > HEAD:
        raise StateError(
            f"{database.name} has schema {found}, this proxyset knows {HEAD}: use the newer proxyset"
        )
    return found


def _check_file(connection: Connection, tables: bool, name: str) -> None:
    application = connection.execute(text("PRAGMA application_id")).scalar()
    version = cast(int, connection.execute(text("PRAGMA user_version")).scalar())
    if application != APPLICATION_ID and (application or tables):
        raise StateError(f"{name} is not the state of a proxyset server; choose another folder")
    if version > TABLES + 1:
        raise StateError(
            f"{name} has schema {version}, this proxyset knows {TABLES + 1}: use the newer proxyset"
        )
