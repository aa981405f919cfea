"""The SQLite file under the state: whole transactions, errors that say where."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from proxyset.errors import StateError
from proxyset.server.database import Database


@pytest.fixture
def database(tmp_path):
    with closing(Database(tmp_path / "state.sqlite")) as opened:
        with opened.writing() as db:
            db.execute("CREATE TABLE cats (name TEXT UNIQUE)")
        yield opened


def test_a_transaction_that_fails_leaves_nothing(database):
    with pytest.raises(ZeroDivisionError), database.writing() as db:
        db.execute("INSERT INTO cats VALUES ('tom')")
        raise ZeroDivisionError
    assert database.rows("SELECT * FROM cats") == []
    with database.writing() as db:  # and the next one is free to begin
        db.execute("INSERT INTO cats VALUES ('tom')")
    assert database.rows("SELECT * FROM cats WHERE name = ?", "tom") == [("tom",)]


def test_what_sqlite_says_names_the_folder(database):
    with pytest.raises(StateError, match="could not be read: no such table") as missing:
        database.rows("SELECT * FROM dogs")
    assert str(missing.value).startswith(f"the state in {database.path.parent} ")
    with pytest.raises(StateError, match="could not be written: UNIQUE"), database.writing() as db:
        db.execute("INSERT INTO cats VALUES ('tom'), ('tom')")


def test_each_thread_has_a_connection_and_all_are_closed(database):
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(database.connection())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(db) for db in [*seen, database.connection()]}) == 5
    assert database.connection() is database.connection()
    database.close()
    assert database.rows("SELECT * FROM cats") == []  # opened anew


def test_only_its_owner_may_read_the_file(database):
    assert database.path.stat().st_mode & 0o777 == 0o600
