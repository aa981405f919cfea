"""The file under a ledger: SQLite, append-only, hash-chained, one writer at a time, durable before it returns.

Beside it lie its key, receipts, inbox, enrolments and lock, found by its name. So one ledger must have one name: links are
followed once, when it is opened, and a ledger with a second name (a hard link) is refused.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxyset.atomic import SECRET, make_folder, replacing
from proxyset.client.chain import GENESIS, NONCE_BYTES, Entry, Kind, check_links
from proxyset.errors import LedgerError
from proxyset.fingerprint import fingerprint

APPLICATION_ID = 0x50585354  # "PXST"
# 1: entries without a nonce; 2: debits without a grid. Both are read, and brought to the newest by the next entry
SCHEMA_VERSION = 3
WAIT_SECONDS = 120.0
_COLUMNS = ", ".join(field.name for field in fields(Entry))
_COLUMNS_2 = _COLUMNS.replace("grid", "NULL AS grid")
_COLUMNS_OF = {1: _COLUMNS_2.replace("nonce", "'' AS nonce"), 2: _COLUMNS_2, 3: _COLUMNS}
_ADDED = {2: "nonce TEXT DEFAULT ''", 3: "grid INTEGER"}
_WHOLE = ("max_records", "grid", "ref")
_TYPES = (
    {"seq": "INTEGER PRIMARY KEY"}
    | dict.fromkeys(_WHOLE, "INTEGER")
    | dict.fromkeys(("rho", "epsilon", "delta", "sigma"), "REAL")
)
_SCHEMA = f"""
CREATE TABLE entries ({", ".join(f"{f.name} {_TYPES.get(f.name, 'TEXT')}" for f in fields(Entry))}) STRICT;
CREATE TABLE blobs (seq INTEGER PRIMARY KEY REFERENCES entries (seq), data BLOB NOT NULL) STRICT;
CREATE TRIGGER entries_order BEFORE INSERT ON entries
    WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM entries)
    BEGIN SELECT raise(ABORT, 'entries are added at the end'); END;
CREATE TRIGGER blobs_once BEFORE INSERT ON blobs WHEN EXISTS (SELECT 1 FROM blobs WHERE seq = NEW.seq)
    BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
""" + "".join(
    f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
    "BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;\n"
    for table in ("entries", "blobs")
    for verb in ("UPDATE", "DELETE")
)


class LedgerFile:
    """Entries on the disk. Holds no connection and no lock between calls: safe over forks, threads and processes.

    Attributes:
        path: of the file itself: absolute, every link followed.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.path = path.resolve()
        except (OSError, RuntimeError) as error:  # links in a circle
            raise LedgerError(f"{path} leads nowhere: {error}") from None
        self._entries: list[Entry] = []

    def _begin(self, limits: dict[str, Any]) -> None:
        try:
            make_folder(self.path.parent, SECRET)
            with self.exclusive():
                if self.path.exists():
                    return
                with replacing(self.path, SECRET) as temporary, closing(sqlite3.connect(temporary)) as db:
                    db.executescript(
                        f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
                        f"{_SCHEMA}"
                    )
                    _insert(db, _follow([], "cap", note="the cap this ledger began with", **limits))
                    db.commit()
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"no ledger can be begun at {self.path}: {error}") from error

    def entries(self) -> list[Entry]:
        """All entries, in order, with the chain checked.

        Raises:
            LedgerError: the file is not a ledger, or was changed outside proxyset.
        """
        with self._database() as db:
            return list(self._load(db))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep all other processes and threads out of answering, until the block ends or this process dies.

        Raises:
            LedgerError: the lock cannot be had within two minutes, or cannot be made.
        """
        lock = self.path.with_name(self.path.name + ".lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(f"the ledger {self.path} cannot be locked: {error}") from error
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise LedgerError(
                            f"another process has held {lock} for {WAIT_SECONDS:.0f} s: end it and try again"
                        ) from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(descriptor)

    def _add(
        self,
        kind: Kind,
        check: Callable[[list[Entry]], None] | None = None,
        blob: bytes | None = None,
        **values: Any,
    ) -> Entry:
        """Add one entry, if `check` raises nothing, in one transaction."""
        with self._database(write=True) as db:
            entries = _brought_up(db, self._load(db))
            if check:
                check(entries)
            entry = _follow(entries, kind, digest="" if blob is None else fingerprint(blob), **values)
            _insert(db, entry)
            if blob is not None:
                db.execute("INSERT INTO blobs VALUES (?, ?)", (entry.seq, blob))
        self._entries = [*entries, entry]
        return entry

    def add_nonces(self) -> Entry:
        """Bring a ledger of an older schema to the newest, and return its newest entry, which has a nonce.

        Raises:
            LedgerError: it could not be written.
        """
        with self._database(write=True) as db:
            entries = _brought_up(db, self._load(db))
        self._entries = entries
        return entries[-1]

    def _load(self, db: sqlite3.Connection) -> list[Entry]:
        """All entries; only those that are new to this object are read and checked."""
        known = self._entries
        columns = _COLUMNS_OF[_version(db)]
        rows = db.execute(f"SELECT {columns} FROM entries WHERE seq >= ? ORDER BY seq", (len(known),))
        found = [Entry(*row) for row in rows]
        if known and (not found or found.pop(0) != known[-1]):
            raise LedgerError(f"the ledger {self.path} was changed or replaced while in use")
        check_links(found, known)
        if not known and not found:
            raise LedgerError(f"the ledger {self.path} is empty: it was cut off")
        self._entries = known + found
        return self._entries

    @contextmanager
    def _database(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One connection, one transaction. An error leaves the file as it was."""
        try:
            # mode=rw never creates the file, and falls back to reading when it may not be written
            uri = f"{self.path.as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None)) as db:
                db.execute(
                    "PRAGMA synchronous = EXTRA"
                )  # FULL, and the folder too when the journal is removed
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                self._check_header(db)
                yield db
                db.execute("COMMIT")
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:
            if isinstance(error, LedgerError):
                raise
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            raise LedgerError(
                f"the ledger {self.path} could not be {'written' if write else 'read'}: {error}"
                + ("; nothing was sent: make room there and do the same again" if full else "")
            ) from error

    def _check_header(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        version, names = _version(db), self.path.stat().st_nlink
        if application != APPLICATION_ID:
            raise LedgerError(f"{self.path} is not a proxyset client ledger; choose another path")
        if version not in _COLUMNS_OF:
            raise LedgerError(f"{self.path} has schema {version}, this proxyset reads {SCHEMA_VERSION}")
        if names > 1:
            raise LedgerError(
                f"{self.path} is one of {names} names of one file (hard links), and a ledger's key and receipts lie beside one "
                "name: keep that one, remove the others or make them copies"
            )


def _follow(entries: list[Entry], kind: Kind, **values: Any) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    prev = entries[-1].hash if entries else GENESIS
    nonce = secrets.token_hex(NONCE_BYTES)
    return Entry(seq=len(entries) + 1, time=now, kind=kind, nonce=nonce, prev=prev, **values).sealed()


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _brought_up(db: sqlite3.Connection, entries: list[Entry]) -> list[Entry]:
    """Give the table of an older ledger its new columns, within the transaction at hand. Nonces begin with an entry."""
    before = _version(db)
    for version in range(before + 1, SCHEMA_VERSION + 1):
        db.execute(f"ALTER TABLE entries ADD COLUMN {_ADDED[version]}")
        db.execute(f"PRAGMA user_version = {version}")
    if before == 1:
        entries = [*entries, _follow(entries, "schema", note="from here on every entry has a nonce")]
        _insert(db, entries[-1])
    return entries


def _insert(db: sqlite3.Connection, entry: Entry) -> None:
    marks = ", ".join("?" * len(fields(Entry)))
    db.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES ({marks})", tuple(asdict(entry).values()))


def blob_of(db: sqlite3.Connection, entry: Entry) -> bytes:
    row = db.execute("SELECT data FROM blobs WHERE seq = ?", (entry.seq,)).fetchone()
    if row is None or not isinstance(row[0], bytes) or fingerprint(row[0]) != entry.digest:
        raise LedgerError(f"the {entry.kind} of ledger entry {entry.seq} is missing or was changed")
    return row[0]
