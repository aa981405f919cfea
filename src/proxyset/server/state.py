"""The server's state: indexes, campaigns, clients, releases, models, operators.

    DIR/state.sqlite       everything but large files; SQLite, WAL, flushed at every commit. Or PostgreSQL holds it
    DIR/models/SHA256      model files that clients may fetch
    DIR/encoders/SHA256    packages of encoders that clients may fetch, by fingerprint
    DIR/proxies/           proxy sets drawn from campaigns
    DIR/atlases/           maps of the pools, which the operator's page draws again where they are missing (`page.atlases`)

Commands, web pages and servers open the same state at the same time. What a method has returned is on the disk; a kill -9
or a crash at any moment loses nothing that was returned and leaves no half of anything. Secrets are kept as SHA-256 only: they
are 32 random bytes, so nothing slower is needed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from proxyset import atomic
from proxyset.errors import MissingExtra, NameTaken, StateError, UnknownName
from proxyset.printable import shortened
from proxyset.server.acceptance import accept
from proxyset.server.accounts import Accounts, hashed
from proxyset.server.acting import note
from proxyset.server.lists import ID_DIGITS, Lists
from proxyset.server.records import (
    Act,
    Campaign,
    Client,
    IndexRecord,
    Model,
    Nonce,
    Outcome,
    ReleaseRecord,
    Selection,
    Submission,
    Token,
    check_name,
    now,
)
from proxyset.server.rows import (
    RELEASE,
    RELEASES,
    campaign_of,
    campaign_row,
    client_of,
    release_of,
    text_of,
    time_of,
)
from proxyset.wire.probe import Probe
from proxyset.wire.signed_request import WINDOW_SECONDS

if TYPE_CHECKING:
    from proxyset.server.database import Database

FILE = "state.sqlite"
TOKEN_LIFETIME = timedelta(days=7)
_CHUNK = 1 << 20


class State:
    """The state of one or more servers. Safe for many threads, processes and machines at once.

    Attributes:
        name: where it is: a folder, or the URL of a database without its password.
        folder: of its files.
        lists: what operators look through, a page at a time.
        accounts: the operators, and who is logged in to the page.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self.folder, self.name = database, folder, database.name
        self.lists, self.accounts = Lists(database), Accounts(database)

    @classmethod
    def open(cls, place: str | os.PathLike[str], *, create: bool = True) -> State:
        """Open a state, or begin one; an older schema is brought up to date.

        Args:
            place: a folder, or "postgresql://USER@HOST/DATABASE?files=FOLDER". Servers on several machines share that folder,
                by a network file system.

        Raises:
            StateError: none there (and not create), not a state, of a newer proxyset, damaged, or not writable.
            InvalidInput: a URL that names no folder of files. MissingExtra: what servers need, or psycopg, is not installed.
        """
        require_extra()
        from proxyset.server.database import postgresql, sqlite
        from proxyset.server.schema import migrate

        url = is_url(place)
        database, folder = postgresql(str(place)) if url else (None, Path(place).absolute())
        if not (folder.is_dir() if url else (folder / FILE).exists()):
            if not create:
                raise StateError(
                    f"there is no server state in {folder}; `proxyset campaign create` begins one"
                )
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise StateError(f"no state can be begun in {folder}: {error.strerror}") from error
        database = database or sqlite(folder / FILE)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(database, folder)

    def close(self) -> None:
        """Close all connections. Call it when no other thread uses the state any more."""
        self._database.close()

    def check(self) -> None:
        """See that it can be read and written: a row is written, and must reach the disk. Raises StateError."""
        with self._database.writing() as db:
            db.execute("DELETE FROM nonces WHERE key = ''")
            db.execute("INSERT INTO nonces VALUES ('', '', 0)")

    # Indexes and campaigns

    def add_index(self, fingerprint: str, folder: Path, items: int, clusters: int) -> None:
        """Register a finished index, or where a registered one lies now."""
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO indexes VALUES (?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO UPDATE SET folder = excluded.folder",
                (fingerprint, self._named(folder), items, clusters, text_of(now())),
            )

    def indexes(self) -> list[IndexRecord]:
        """All registered indexes, oldest first."""
        rows = self._database.rows(
            "SELECT fingerprint, folder, items, clusters, added FROM indexes ORDER BY added"
        )
        return [IndexRecord(f, self._placed(folder), n, R, time_of(at)) for f, folder, n, R, at in rows]

    def index(self, fingerprint: str) -> IndexRecord:
        """Raises UnknownName."""
        found = [record for record in self.indexes() if record.fingerprint == fingerprint]
        if not found:
            raise UnknownName(f"no index {fingerprint[:12]} is registered here")
        return found[0]

    def add_campaign(self, campaign: Campaign, probe: Probe) -> None:
        """Begin a campaign and keep its probe.

        Raises:
            NameTaken: another has that name. StateError: the index is not registered.
        """
        if (probe.fingerprint, probe.index) != (campaign.probe, campaign.index):
            raise StateError(f"campaign {campaign.id!r} and its probe do not belong together")
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM campaigns WHERE id = ?", (campaign.id,)).fetchone():
                raise NameTaken(f"there is a campaign {campaign.id!r} already: choose another name")
            db.execute(
                "INSERT INTO probes VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (probe.fingerprint, probe.index, probe.clusters, probe.to_bytes()),
            )
            db.execute(
                "INSERT INTO campaigns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                campaign_row(campaign),
            )
            note(db, "begin campaign", campaign.id)

    def campaigns(self) -> list[Campaign]:
        """All campaigns, oldest first."""
        return [
            campaign_of(row) for row in self._database.rows("SELECT * FROM campaigns ORDER BY created, id")
        ]

    def campaign(self, id: str) -> Campaign:
        """Raises UnknownName."""
        rows = self._database.rows("SELECT * FROM campaigns WHERE id = ?", id)
        if not rows:
            raise UnknownName(f"there is no campaign {id!r}")
        return campaign_of(rows[0])

    def close_campaign(self, id: str) -> Campaign:
        """Take no more releases; closing twice changes nothing. Raises UnknownName."""
        with self._database.writing() as db:
            found = db.execute(
                "UPDATE campaigns SET closed = ? WHERE id = ? AND closed IS NULL", (text_of(now()), id)
            )
            if found.rowcount:
                note(db, "close campaign", id)
        return self.campaign(id)

    def probe(self, fingerprint: str) -> bytes:
        """The bytes of a campaign's probe. Raises UnknownName."""
        rows = self._database.rows("SELECT data FROM probes WHERE fingerprint = ?", fingerprint)
        if not rows:
            raise UnknownName(f"there is no probe {fingerprint[:12]}")
        return bytes(rows[0][0])

    def probe_size(self, fingerprint: str) -> tuple[int, int]:
        """Bytes and centroids of a campaign's probe. Raises UnknownName."""
        rows = self._database.rows(
            "SELECT length(data), clusters FROM probes WHERE fingerprint = ?", fingerprint
        )
        if not rows:
            raise UnknownName(f"there is no probe {fingerprint[:12]}")
        size, clusters = rows[0]
        return size, clusters

    # Clients

    def create_token(self, name: str, lifetime: timedelta = TOKEN_LIFETIME) -> str:
        """A one-time enrolment token for a client that will be called `name`. Only its hash is kept.

        Raises:
            InvalidInput: no name.
        """
        check_name(name, "a client's name")
        secret = secrets.token_urlsafe(32)
        with self._database.writing() as db:
            times = (text_of(now()), text_of(now() + lifetime))
            db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, NULL)", (hashed(secret), name, *times))
            note(db, "invite client", name)
        return secret

    def tokens(self) -> list[Token]:
        """All enrolment tokens, oldest first."""
        rows = self._database.rows("SELECT hash, name, created, expires, client FROM tokens ORDER BY created")
        return [
            Token(hash[:ID_DIGITS], name, time_of(created), time_of(expires), client)
            for hash, name, created, expires, client in rows
        ]

    def withdraw_token(self, id: str) -> None:
        """Let nobody enrol with a token that was not used yet. Raises UnknownName: there is none."""
        with self._database.writing() as db:
            found = db.execute(
                "DELETE FROM tokens WHERE substr(hash, 1, ?) = ? AND client IS NULL", (ID_DIGITS, id)
            )
            if found.rowcount == 0:
                raise UnknownName(f"there is no unused token {shortened(id, 40)!r}")
            note(db, "withdraw token", id)

    def enroll(self, token: str, key: str) -> Client | None:
        """Pin a client's public key by its token; None when the token is unknown, expired or was used by another key.

        A key that repeats its own enrolment, because the answer was lost, gets the same again. A revoked key stays revoked.
        """
        with self._database.writing() as db:
            row = db.execute(
                "SELECT name, expires, client FROM tokens WHERE hash = ?", (hashed(token),)
            ).fetchone()
            if row is None or row[2] not in (None, key) or (row[2] is None and time_of(row[1]) <= now()):
                return None
            db.execute(
                "INSERT INTO clients VALUES (?, ?, ?, NULL) ON CONFLICT DO NOTHING",
                (key, row[0], text_of(now())),
            )
            db.execute("UPDATE tokens SET client = ? WHERE hash = ?", (key, hashed(token)))
        client = self.client(key)
        return None if client is None or client.revoked else client

    def add_client(self, key: str, name: str) -> None:
        """Pin a key that came by hand: clients that share no network with the server.

        Raises:
            InvalidInput: no name. NameTaken: the key is pinned already.
        """
        check_name(name, "a client's name")
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM clients WHERE key = ?", (key,)).fetchone():
                raise NameTaken(f"the key {key[:12]} is enrolled already")
            db.execute("INSERT INTO clients VALUES (?, ?, ?, NULL)", (key, name, text_of(now())))
            note(db, "add client", key)

    def clients(self) -> list[Client]:
        """All clients, oldest first, revoked ones too."""
        rows = self._database.rows("SELECT key, name, enrolled, revoked FROM clients ORDER BY enrolled, key")
        return [client_of(row) for row in rows]

    def client(self, key: str) -> Client | None:
        """The client of a key, revoked or not; None for a stranger."""
        rows = self._database.rows("SELECT key, name, enrolled, revoked FROM clients WHERE key = ?", key)
        return client_of(rows[0]) if rows else None

    def revoked(self) -> set[str]:
        """The keys of all clients that were revoked."""
        return {key for (key,) in self._database.rows("SELECT key FROM clients WHERE revoked IS NOT NULL")}

    def revoke_client(self, key: str) -> Client:
        """Answer this key no more; what it sent stays. Raises UnknownName."""
        with self._database.writing() as db:
            found = db.execute(
                "UPDATE clients SET revoked = ? WHERE key = ? AND revoked IS NULL", (text_of(now()), key)
            )
            if found.rowcount:
                note(db, "revoke client", key)
        if (client := self.client(key)) is None:
            raise UnknownName(f"no client has the key {key[:12]}")
        return client

    def use_nonces(self, nonces: Sequence[Nonce]) -> list[bool]:
        """Whether each is used for the first time. None is forgotten before no server would accept its request any more."""
        used = []
        with self._database.writing(flushed=False) as db:
            db.execute(
                "DELETE FROM nonces WHERE until < ?", (int(1000 * time.time()) - 1000 * WINDOW_SECONDS,)
            )
            for each in nonces:
                row = (each.key, each.nonce, each.until)
                used.append(
                    db.execute("INSERT INTO nonces VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount
                    == 1
                )
        return used

    # Releases

    def store(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Store releases in one transaction; on the disk when this returns, and only then may they be acknowledged.

        One release a client and campaign; the first stands. Storing the same again is `Outcome.known`.
        """
        with self._database.writing() as db:
            return accept(db, submissions)

    def releases(self, campaign: str) -> list[ReleaseRecord]:
        """The releases of a campaign, first come first."""
        query = f"SELECT {RELEASE} FROM {RELEASES} WHERE r.campaign = ? ORDER BY r.received, r.fingerprint"
        return [release_of(row) for row in self._database.rows(query, campaign)]

    def release(self, campaign: str, fingerprint: str) -> bytes:
        """The literal bytes of a release, receipt and all. Raises UnknownName."""
        rows = self._database.rows(
            "SELECT data FROM releases WHERE campaign = ? AND fingerprint = ?", campaign, fingerprint
        )
        if not rows:
            raise UnknownName(f"campaign {campaign!r} has no release {fingerprint[:12]}")
        return bytes(rows[0][0])

    def answered(self, client: str) -> dict[str, str]:
        """Campaign and fingerprint of every release of a client."""
        rows = self._database.rows("SELECT campaign, fingerprint FROM releases WHERE client = ?", client)
        return dict(rows)

    def release_counts(self) -> dict[str, int]:
        """How many releases each campaign has; those without any are left out."""
        return dict(self._database.rows("SELECT campaign, count(*) FROM releases GROUP BY campaign"))

    # Models and proxy sets

    def publish_model(self, campaign: str, content: BinaryIO, name: str) -> Model:
        """Keep a file for the clients of a campaign to fetch; it replaces the one before.

        Args:
            content: open at its beginning; it is read twice.
            name: what the file is called.

        Raises:
            UnknownName: no such campaign. StateError: the file cannot be written.
        """
        self.campaign(campaign)
        digest, size = hashlib.sha256(), 0
        while block := content.read(_CHUNK):
            digest.update(block)
            size += len(block)
        content.seek(0)
        path = self.folder / "models" / digest.hexdigest()
        with (
            self._database.errors("written"),
            atomic.replacing(path) as temporary,
            temporary.open("wb") as file,
        ):
            shutil.copyfileobj(content, file, _CHUNK)
        model = Model(campaign, digest.hexdigest(), size, name, now())
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO models VALUES (?, ?, ?, ?, ?) ON CONFLICT (campaign) DO UPDATE SET "
                "sha256 = excluded.sha256, bytes = excluded.bytes, name = excluded.name, published = excluded.published",
                (campaign, model.sha256, size, name, text_of(model.published)),
            )
            note(db, "publish model", f"{campaign} {model.sha256}")
        return model

    def model(self, campaign: str) -> Model | None:
        """What was published for a campaign, or None."""
        rows = self._database.rows(
            "SELECT campaign, sha256, bytes, name, published FROM models WHERE campaign = ?", campaign
        )
        for campaign, sha256, size, name, at in rows:
            return Model(campaign, sha256, size, name, time_of(at))
        return None

    def model_file(self, model: Model) -> Path:
        """Where the bytes of a published model lie."""
        return self.folder / "models" / model.sha256

    def add_selection(
        self, campaign: str, folder: Path, *, items: int, budget: int, strategy: str, seed: int, releases: int
    ) -> None:
        """Remember a proxy set that was drawn."""
        values = (campaign, self._named(folder), items, budget, strategy, seed, releases, text_of(now()))
        columns = "campaign, folder, items, budget, strategy, seed, releases, created"
        with self._database.writing() as db:
            db.execute(f"INSERT INTO selections ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            note(db, "draw proxy set", campaign)

    def move_selection(self, id: int, folder: Path) -> None:
        """Remember where a proxy set lies now."""
        with self._database.writing() as db:
            db.execute("UPDATE selections SET folder = ? WHERE id = ?", (self._named(folder), id))

    def selections(self, campaign: str) -> list[Selection]:
        """The proxy sets that were drawn from a campaign, oldest first."""
        rows = self._database.rows("SELECT * FROM selections WHERE campaign = ? ORDER BY id", campaign)
        return [
            Selection(
                id, campaign, self._placed(folder), items, budget, strategy, seed, releases, time_of(at)
            )
            for id, campaign, folder, items, budget, strategy, seed, releases, at in rows
        ]

    # Acts

    def acts(self) -> list[Act]:
        """What operators did, oldest first. No row of it is ever changed."""
        rows = self._database.rows("SELECT at, who, way, act, object FROM acts ORDER BY id")
        return [Act(time_of(at), who, way, act, what) for at, who, way, act, what in rows]

    def note(self, act: str, what: str) -> None:
        """Write down what somebody does that changes nothing here."""
        with self._database.writing() as db:
            note(db, act, what)

    # Where files are: named from the folder of the state, so that both can move together

    def _named(self, folder: Path) -> str:
        return os.path.relpath(folder.absolute(), self.folder)

    def _placed(self, name: str) -> Path:
        return Path(os.path.normpath(self.folder / name))


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a state is named by the URL of a database."""
    return isinstance(place, str) and "://" in place


def require_extra() -> None:
    """Raises MissingExtra when what servers need is not installed."""
    for name in ("sqlalchemy", "alembic", "fastapi", "prometheus_client", "httptools"):
        if find_spec(name) is None:
            raise MissingExtra(name, "server", "A server")
