import shutil
import sqlite3
import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest

from proxyset.cloud.index import Index
from proxyset.errors import InvalidInput, StateError, UnknownName
from proxyset.server import campaigns
from proxyset.server.migrations.versions.v0001_tables import VERSIONS
from proxyset.server.records import Nonce, Outcome, Scope, Submission, now
from proxyset.server.schema import APPLICATION_ID, HEAD
from proxyset.server.state import FILE, State
from proxyset.wire.campaign import Ask
from tests.server.running import begin

KEY = "ab" * 32


def submission(campaign="one", client=KEY, fingerprint="f" * 64):
    return Submission(
        campaign, client, fingerprint, 0.5, 1e-5, 7.0, 0.01, b"bytes of " + fingerprint.encode()
    )


def test_a_state_of_the_first_version_is_brought_up_to_date(tmp_path):
    """Written as the first version wrote it, rows and all."""
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        for statement in VERSIONS[0]:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        at = now().isoformat()
        db.execute("INSERT INTO indexes VALUES (?, '/index', 9, 3, ?)", (KEY, at))
        db.execute("INSERT INTO probes VALUES (?, ?, 3, x'01')", (KEY, KEY))
        ask = Ask().model_dump_json()
        db.execute(
            "INSERT INTO campaigns VALUES ('one', ?, ?, 'why', ?, 9, 'ecos', NULL, ?, NULL)",
            (KEY, KEY, ask, at),
        )
        db.execute("INSERT INTO clients VALUES (?, 'north', ?, NULL)", (KEY, at))
        db.commit()
    with closing(State.open(tmp_path)) as book:
        (campaign,) = book.campaigns()
        assert (campaign.id, campaign.ask, book.probe(KEY)) == ("one", Ask(), b"\x01")
        assert book.store([submission()]) == [Outcome.stored]
        assert book.selections("one") == [] and book.model("one") is None
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("SELECT * FROM alembic_version").fetchall() == [(HEAD,)]
        assert db.execute("PRAGMA user_version").fetchone() == (4,)  # older programs stop at it
    State.open(tmp_path).close()


def test_every_version_on_the_way_leads_to_the_same_tables(tmp_path):
    schemas = []
    for version in range(len(VERSIONS) + 1):
        folder = tmp_path / str(version)
        folder.mkdir()
        with closing(sqlite3.connect(folder / FILE)) as db:
            for statements in VERSIONS[:version]:
                for statement in statements:
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID if version else 0}")
            db.execute(f"PRAGMA user_version = {version}")
            db.commit()
        State.open(folder).close()
        with closing(sqlite3.connect(folder / FILE)) as db:
            schemas.append(db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall())
    assert all(schema == schemas[0] for schema in schemas)


def test_files_that_are_no_state_of_ours(tmp_path):
    with pytest.raises(StateError, match="there is no server state"):
        State.open(tmp_path / "none", create=False)
    for name, script, words in [
        (
            "newer",
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99",
            "use the newer proxyset",
        ),
        ("other", "CREATE TABLE cats (name)", "not the state of a proxyset server"),
    ]:
        (tmp_path / name).mkdir()
        with closing(sqlite3.connect(tmp_path / name / FILE)) as db:
            db.executescript(script)
        with pytest.raises(StateError, match=words):
            State.open(tmp_path / name)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / FILE).write_text("no database at all" * 100)
    with pytest.raises(StateError, match="could not be opened"):
        State.open(tmp_path / "text")


def test_a_newer_state_in_postgresql_and_a_database_of_somebody_else(postgres, tmp_path):
    for statement, words in [
        ("UPDATE alembic_version SET version_num = '0099'", "use the newer proxyset"),
        ("DROP TABLE alembic_version", "not the state of a proxyset server"),
    ]:
        place = postgres.fresh(tmp_path / "files")
        with closing(State.open(place)) as book, book._database.writing() as db:
            db.execute(statement)
        with pytest.raises(StateError, match=words):
            State.open(place)


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://",
        "mysql://h/d?files=x",
        "postgresql://me:SECRET@h/d",
        "postgresql://h:port/d?files=x",
        "://",
    ],
)
def test_urls_that_are_no_state(place):
    with pytest.raises(InvalidInput, match="a state is a folder or postgresql://") as error:
        State.open(place)
    assert "SECRET" not in str(error.value)


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path):
    with pytest.raises(StateError, match="could not be opened") as error:
        State.open(f"postgresql://me:SECRET@127.0.0.1:9/none?files={tmp_path}")
    assert "SECRET" not in str(error.value)


def test_many_open_a_new_state_at_once(place):
    books = []
    threads = [threading.Thread(target=lambda: books.append(State.open(place))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(books) == 6
    for book in books:
        book.close()


def test_what_cannot_be_text_is_refused(state):
    for name in ("a\0b", "\ud800", "\u202ename", "", " ", "n" * 201, "line\nend"):
        for make in (
            state.create_token,
            lambda name: state.accounts.create(name, []),
            lambda name: state.add_client(KEY, name),
        ):
            with pytest.raises(InvalidInput):
                make(name)
    for look in (state.campaign, state.index, state.withdraw_token):
        for name in ("\0", "\ud800", "none"):
            with pytest.raises((UnknownName, InvalidInput)):
                look(name)


def test_nonces_are_used_once_and_forgotten_late(state):
    at = int(1000 * time.time())
    old, new = Nonce(KEY, "a", at - 10**6), Nonce(KEY, "b", at + 10**5)
    assert state.use_nonces([new, new, old]) == [True, False, True]
    assert state.use_nonces([new, Nonce("cd" * 32, "b", at)]) == [False, True]
    assert len(state._database.rows("SELECT * FROM nonces")) == 2


def test_tokens_are_withdrawn_and_expire(state):
    secret = state.create_token("north")
    state.create_token("late", timedelta(seconds=-1))
    (north, late) = sorted(state.tokens(), key=lambda each: each.name, reverse=True)
    assert north.open() and not late.open()
    state.withdraw_token(north.id)
    assert state.enroll(secret, KEY) is None
    with pytest.raises(UnknownName, match="no unused token"):
        state.withdraw_token(north.id)


def test_folders_are_named_from_the_state_so_that_both_can_move(tmp_path, index):
    shutil.copytree(index.folder, tmp_path / "here" / "index")
    with closing(State.open(tmp_path / "here" / "state")) as book:
        campaigns.create(
            book, "one", Index.open(tmp_path / "here" / "index"), Ask(), budget=5, strategy="random"
        )
        campaigns.draw(book, "one")
    (tmp_path / "here").rename(tmp_path / "there")
    with closing(State.open(tmp_path / "there" / "state")) as book:
        (record,), (drawn,) = book.indexes(), book.selections("one")
        assert record.folder == tmp_path / "there" / "index" and drawn.folder.is_dir()


def test_tokens_enrol_once(state):
    token = state.create_token("north")
    assert state.enroll("x" * 43, KEY) is None
    assert state.enroll(token, KEY).name == "north"
    assert state.enroll(token, KEY).key == KEY  # its answer was lost
    assert state.enroll(token, "cd" * 32) is None
    assert state.enroll(state.create_token("late", timedelta(seconds=-1)), "cd" * 32) is None
    assert [token.client for token in state.tokens()] == [KEY, None]
    state.revoke_client(KEY)
    assert state.enroll(token, KEY) is None
    assert state.client(KEY).revoked and state.client("cd" * 32) is None


def test_no_secret_is_in_the_file(tmp_path):
    state = State.open(tmp_path / "state")
    token, bearer = state.create_token("north"), state.accounts.create("ann", [Scope.read])
    state.close()
    data = b"".join(path.read_bytes() for path in state.folder.iterdir())
    assert b"north" in data and b"ann" in data
    assert token.encode() not in data and bearer.encode() not in data


def test_operators(state):
    bearer = state.accounts.create("ann", [Scope.read, Scope.campaigns])
    assert state.accounts.holder(bearer).scopes == {Scope.read, Scope.campaigns}
    assert state.accounts.holder(bearer[::-1]) is None
    with pytest.raises(StateError, match="already"):
        state.accounts.create("ann", [])
    state.accounts.revoke("ann")
    assert state.accounts.holder(bearer) is None
    with pytest.raises(UnknownName):
        state.accounts.revoke("bob")
    assert state.accounts.holder(state.accounts.create("ann", [Scope.read])).scopes == {
        Scope.read
    }  # she is back


def test_many_threads_at_once(state, index):
    begin(state, index, "one")
    for number in range(8):
        state.add_client(f"k{number}", "someone")
    outcomes: list[Outcome] = []

    def send(number):
        for _ in range(5):
            outcomes.extend(state.store([submission(client=f"k{number}", fingerprint=str(number))]))

    threads = [threading.Thread(target=send, args=(number % 8,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted([Outcome.stored] * 8 + [Outcome.known] * 72)
    assert state.release_counts() == {"one": 8}


@pytest.mark.parametrize("name", ["", "Upper", "-x", "a b", "a" * 64, "ü", "../up"])
def test_names_that_no_campaign_can_have(state, index, name):
    with pytest.raises(InvalidInput, match="cannot name a campaign"):
        campaigns.create(state, name, index, Ask(), budget=5)
    assert state.campaigns() == []


def test_campaigns_that_cannot_be(state, index):
    for options in (
        {"budget": 0},
        {"budget": 5, "strategy": "best"},
        {"budget": 5, "deadline": now() - timedelta(days=1)},
        {"budget": 5, "purpose": "x" * 501},
    ):
        with pytest.raises(InvalidInput):
            campaigns.create(state, "one", index, Ask(), **options)
    with pytest.raises(ValueError, match="above the highest"):
        Ask(epsilon_low=2, epsilon_high=1)
    begin(state, index, "one")
    with pytest.raises(StateError, match="already"):
        begin(state, index, "one")
    with pytest.raises(StateError, match="no release, or no opened sum, yet"):
        campaigns.draw(state, "one")


def test_models(state, index, tmp_path):
    begin(state, index, "one")
    for content in (b"first", b"second" * 10):
        (tmp_path / "model").write_bytes(content)
        with (tmp_path / "model").open("rb") as file:
            published = state.publish_model("one", file, "model")
        assert state.model("one") == published
        assert state.model_file(published).read_bytes() == content
        assert published.bytes == len(content)
    with pytest.raises(UnknownName), (tmp_path / "model").open("rb") as file:
        state.publish_model("two", file, "model")
