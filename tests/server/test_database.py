"""The database under the state: whole transactions, errors that say where. Both kinds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from proxyset.errors import StateError
from proxyset.server.database import postgresql, sqlite


@pytest.fixture
def database(place):
    if isinstance(place, Path):
        place.mkdir()
    with closing(
        sqlite(place / "state.sqlite") if isinstance(place, Path) else postgresql(place)[0]
    ) as opened:
        with opened.writing() as db:
            db.execute("CREATE TABLE cats (name TEXT UNIQUE)")
        yield opened


def test_a_transaction_that_fails_leaves_nothing(database):
    with pytest.raises(ZeroDivisionError), database.writing() as db:
        db.execute("INSERT INTO cats VALUES ('tom')")
        raise ZeroDivisionError
    assert database.rows("SELECT * FROM cats") == []
    with database.writing() as db:  # and the next one is free to begin
        db.execute("INSERT INTO cats VALUES (?)", ("tom",))
    assert database.rows("SELECT * FROM cats WHERE name = ?", "tom") == [("tom",)]


def test_what_the_database_says_names_the_state(database):
    with pytest.raises(StateError, match=r"could not be read: .*dogs") as missing:
        database.rows("SELECT * FROM dogs")
    assert str(missing.value).startswith(f"the state in {database.name} ")
    with (
        pytest.raises(StateError, match=r"could not be written: .*(UNIQUE|unique)"),
        database.writing() as db,
    ):
        db.execute("INSERT INTO cats VALUES ('tom'), ('tom')")


def test_what_is_read_before_writing_stays_true_until_the_commit(database):
    """Two writers that each count and add one: none counts what the other is about to add."""
    import threading

    def add(number):
        for turn in range(10):
            with database.writing(flushed=bool(turn % 2)) as db:
                (count,) = db.execute("SELECT count(*) FROM cats").fetchone()
                db.execute("INSERT INTO cats VALUES (?)", (f"cat {count}",))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(database.rows("SELECT * FROM cats")) == 40


def test_closed_and_opened_anew(database):
    database.close()
    assert database.rows("SELECT * FROM cats") == []


def test_only_its_owner_may_read_the_file(tmp_path):
    with closing(sqlite(tmp_path / "state.sqlite")) as opened:
        opened.rows("SELECT 1")
    assert (tmp_path / "state.sqlite").stat().st_mode & 0o777 == 0o600
