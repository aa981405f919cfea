"""The tables of a server's state, and how an older file becomes one of today's."""

from __future__ import annotations

import sqlite3

from proxyset.errors import StateError

APPLICATION_ID = 0x50585356  # "PXSV"

# One tuple of statements a version, oldest first. A tuple that was ever released is never edited: add another.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE indexes (
            fingerprint TEXT PRIMARY KEY, folder TEXT NOT NULL, items INTEGER NOT NULL, clusters INTEGER NOT NULL,
            added TEXT NOT NULL) STRICT""",
        """CREATE TABLE probes (
            fingerprint TEXT PRIMARY KEY, "index" TEXT NOT NULL REFERENCES indexes, clusters INTEGER NOT NULL,
            data BLOB NOT NULL) STRICT""",
        """CREATE TABLE campaigns (
            id TEXT PRIMARY KEY, "index" TEXT NOT NULL REFERENCES indexes, probe TEXT NOT NULL REFERENCES probes,
            purpose TEXT NOT NULL, ask TEXT NOT NULL, budget INTEGER NOT NULL CHECK (budget > 0),
            strategy TEXT NOT NULL, deadline TEXT, created TEXT NOT NULL, closed TEXT) STRICT""",
        """CREATE TABLE clients (
            key TEXT PRIMARY KEY, name TEXT NOT NULL, enrolled TEXT NOT NULL, revoked TEXT) STRICT""",
        """CREATE TABLE tokens (
            hash TEXT PRIMARY KEY, name TEXT NOT NULL, created TEXT NOT NULL, expires TEXT NOT NULL,
            client TEXT REFERENCES clients) STRICT""",
        """CREATE TABLE releases (
            campaign TEXT NOT NULL REFERENCES campaigns, client TEXT NOT NULL REFERENCES clients,
            fingerprint TEXT NOT NULL, epsilon REAL NOT NULL, delta REAL NOT NULL, sigma REAL NOT NULL,
            rho REAL NOT NULL, received TEXT NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (campaign, client), UNIQUE (campaign, fingerprint)) STRICT""",
        "CREATE INDEX releases_of_client ON releases (client)",
        """CREATE TABLE operators (
            hash TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, created TEXT NOT NULL,
            revoked TEXT) STRICT""",
    ),
    (
        """CREATE TABLE models (
            campaign TEXT PRIMARY KEY REFERENCES campaigns, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
            name TEXT NOT NULL, published TEXT NOT NULL) STRICT""",
        """CREATE TABLE selections (
            id INTEGER PRIMARY KEY, campaign TEXT NOT NULL REFERENCES campaigns, folder TEXT NOT NULL,
            items INTEGER NOT NULL, budget INTEGER NOT NULL, strategy TEXT NOT NULL, seed INTEGER NOT NULL,
            releases INTEGER NOT NULL, created TEXT NOT NULL) STRICT""",
    ),
    (  # the primary key finds the releases of a client too: one index less to write for each
        """CREATE TABLE releases_3 (
            campaign TEXT NOT NULL REFERENCES campaigns, client TEXT NOT NULL REFERENCES clients,
            fingerprint TEXT NOT NULL, epsilon REAL NOT NULL, delta REAL NOT NULL, sigma REAL NOT NULL,
            rho REAL NOT NULL, received TEXT NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (client, campaign), UNIQUE (campaign, fingerprint)) STRICT""",
        "INSERT INTO releases_3 SELECT * FROM releases",
        "DROP TABLE releases",
        "ALTER TABLE releases_3 RENAME TO releases",
    ),
    (
        "CREATE TABLE nonces (key TEXT NOT NULL, nonce TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (key, nonce)) STRICT",
        "CREATE INDEX nonces_by_time ON nonces (until)",
    ),
)
VERSION = len(MIGRATIONS)


def migrate(db: sqlite3.Connection, path: object) -> None:
    """Bring a database to today's schema, all or nothing. An empty one becomes a new state.

    Args:
        db: in autocommit mode.
        path: of the file, for messages.

    Raises:
        StateError: not a state, or one of a newer proxyset.
    """
    if _version(db, path) == VERSION:
        return
    db.execute("BEGIN EXCLUSIVE")
    try:
        for statements in MIGRATIONS[_version(db, path) :]:  # another process may have been first
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection, path: object) -> int:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise StateError(f"{path} is not the state of a proxyset server; choose another folder")
    if version > VERSION:
        raise StateError(
            f"{path} has schema {version}, this proxyset knows {VERSION}: use the newer proxyset"
        )
    return int(version)
