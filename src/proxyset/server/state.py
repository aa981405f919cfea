"""The server's state: indexes, campaigns, clients, releases, models, operators.

    DIR/state.sqlite       everything but large files; SQLite, WAL, flushed at every commit
    DIR/models/SHA256      model files that clients may fetch
    DIR/proxies/           proxy sets drawn from campaigns
    DIR/atlases/           maps of the pools, which the operator's page draws again where they are missing (`page.atlases`)

Commands, web pages and the server open the same folder at the same time. What a method has returned is on the disk; a kill -9
or a crash at any moment loses nothing that was returned and leaves no half of anything. Secrets are kept as SHA-256 only: they
are 32 random bytes, so nothing slower is needed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from proxyset import atomic
from proxyset.errors import StateError, UnknownName
from proxyset.server.acceptance import accept
from proxyset.server.database import Database
from proxyset.server.records import (
    Campaign,
    Client,
    IndexRecord,
    Model,
    Nonce,
    Operator,
    Outcome,
    ReleaseRecord,
    Scope,
    Selection,
    Submission,
    Token,
    now,
)
from proxyset.server.rows import (
    campaign_of,
    campaign_row,
    client_of,
    operator_of,
    text_of,
    time_of,
)
from proxyset.server.schema import migrate
from proxyset.wire.probe import Probe
from proxyset.wire.signed_request import WINDOW_SECONDS

FILE = "state.sqlite"
TOKEN_LIFETIME = timedelta(days=7)
_CHUNK = 1 << 20
_RELEASE = "campaign, client, fingerprint, epsilon, delta, sigma, rho, received, length(data)"


class State:
    """A folder of state. One connection a thread; safe for many threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = Database(folder / FILE)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, create: bool = True) -> State:
        """Open the state in `folder`, or begin one; an older schema is brought up to date.

        Raises:
            StateError: none there (and not create), not a state, of a newer proxyset, damaged, or not writable.
        """
        state = cls(Path(folder).absolute())
        if not state._database.path.exists():
            if not create:
                raise StateError(
                    f"there is no server state in {folder}; `proxyset campaign create` begins one"
                )
            try:
                state.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise StateError(f"no state can be begun in {folder}: {error.strerror}") from error
        with state._database.errors("opened"):
            migrate(state._database.connection(), state._database.path)
        return state

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
                "INSERT INTO indexes VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET folder = excluded.folder",
                (fingerprint, str(folder.absolute()), items, clusters, text_of(now())),
            )

    def indexes(self) -> list[IndexRecord]:
        """All registered indexes, oldest first."""
        rows = self._database.rows(
            "SELECT fingerprint, folder, items, clusters, added FROM indexes ORDER BY added"
        )
        return [IndexRecord(f, Path(folder), n, R, time_of(at)) for f, folder, n, R, at in rows]

    def index(self, fingerprint: str) -> IndexRecord:
        """Raises UnknownName."""
        found = [record for record in self.indexes() if record.fingerprint == fingerprint]
        if not found:
            raise UnknownName(f"no index {fingerprint[:12]} is registered here")
        return found[0]

    def add_campaign(self, campaign: Campaign, probe: Probe) -> None:
        """Begin a campaign and keep its probe.

        Raises:
            StateError: the name is taken, or the index is not registered.
        """
        if (probe.fingerprint, probe.index) != (campaign.probe, campaign.index):
            raise StateError(f"campaign {campaign.id!r} and its probe do not belong together")
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM campaigns WHERE id = ?", (campaign.id,)).fetchone():
                raise StateError(f"there is a campaign {campaign.id!r} already: choose another name")
            db.execute(
                "INSERT INTO probes VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (probe.fingerprint, probe.index, probe.clusters, probe.to_bytes()),
            )
            db.execute(
                "INSERT INTO campaigns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                campaign_row(campaign),
            )

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
            db.execute(
                "UPDATE campaigns SET closed = ? WHERE id = ? AND closed IS NULL", (text_of(now()), id)
            )
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
        """A one-time enrolment token for a client that will be called `name`. Only its hash is kept."""
        secret = secrets.token_urlsafe(32)
        with self._database.writing() as db:
            times = (text_of(now()), text_of(now() + lifetime))
            db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, NULL)", (_hash(secret), name, *times))
        return secret

    def tokens(self) -> list[Token]:
        """All enrolment tokens, oldest first."""
        rows = self._database.rows("SELECT name, created, expires, client FROM tokens ORDER BY created")
        return [
            Token(name, time_of(created), time_of(expires), client) for name, created, expires, client in rows
        ]

    def enroll(self, token: str, key: str) -> Client | None:
        """Pin a client's public key by its token; None when the token is unknown, expired or was used by another key.

        A key that repeats its own enrolment, because the answer was lost, gets the same again. A revoked key stays revoked.
        """
        with self._database.writing() as db:
            row = db.execute(
                "SELECT name, expires, client FROM tokens WHERE hash = ?", (_hash(token),)
            ).fetchone()
            if row is None or row[2] not in (None, key) or (row[2] is None and time_of(row[1]) <= now()):
                return None
            db.execute(
                "INSERT INTO clients VALUES (?, ?, ?, NULL) ON CONFLICT DO NOTHING",
                (key, row[0], text_of(now())),
            )
            db.execute("UPDATE tokens SET client = ? WHERE hash = ?", (key, _hash(token)))
        client = self.client(key)
        return None if client is None or client.revoked else client

    def add_client(self, key: str, name: str) -> None:
        """Pin a key that came by hand: clients that share no network with the server.

        Raises:
            StateError: the key is pinned already.
        """
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM clients WHERE key = ?", (key,)).fetchone():
                raise StateError(f"the key {key[:12]} is enrolled already")
            db.execute("INSERT INTO clients VALUES (?, ?, ?, NULL)", (key, name, text_of(now())))

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
            db.execute(
                "UPDATE clients SET revoked = ? WHERE key = ? AND revoked IS NULL", (text_of(now()), key)
            )
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
                used.append(db.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?, ?)", row).rowcount == 1)
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
        rows = self._database.rows(
            f"SELECT {_RELEASE} FROM releases WHERE campaign = ? ORDER BY received, fingerprint", campaign
        )
        return [
            ReleaseRecord(campaign, client, name, epsilon, delta, sigma, rho, time_of(at), size)
            for campaign, client, name, epsilon, delta, sigma, rho, at, size in rows
        ]

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
                "INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?)",
                (campaign, model.sha256, size, name, text_of(model.published)),
            )
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
        values = (campaign, str(folder.absolute()), items, budget, strategy, seed, releases, text_of(now()))
        with self._database.writing() as db:
            db.execute("INSERT INTO selections VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def selections(self, campaign: str) -> list[Selection]:
        """The proxy sets that were drawn from a campaign, oldest first."""
        rows = self._database.rows("SELECT * FROM selections WHERE campaign = ? ORDER BY id", campaign)
        return [
            Selection(id, campaign, Path(folder), items, budget, strategy, seed, releases, time_of(at))
            for id, campaign, folder, items, budget, strategy, seed, releases, at in rows
        ]

    # Operators

    def create_operator(self, name: str, scopes: Iterable[Scope]) -> str:
        """A bearer token for an operator. Only its hash is kept.

        Raises:
            StateError: the name is taken.
        """
        secret, held = secrets.token_urlsafe(32), ",".join(sorted(set(scopes)))
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM operators WHERE name = ?", (name,)).fetchone():
                raise StateError(f"there is an operator {name!r} already: choose another name")
            db.execute(
                "INSERT INTO operators VALUES (?, ?, ?, ?, NULL)", (_hash(secret), name, held, text_of(now()))
            )
        return secret

    def operators(self) -> list[Operator]:
        """All operators, oldest first, revoked ones too."""
        rows = self._database.rows(
            "SELECT name, scopes, created, revoked FROM operators ORDER BY created, name"
        )
        return [operator_of(row) for row in rows]

    def operator(self, token: str) -> Operator | None:
        """Whose token this is; None for a stranger's or a revoked one."""
        rows = self._database.rows(
            "SELECT name, scopes, created, revoked FROM operators WHERE hash = ? AND revoked IS NULL",
            _hash(token),
        )
        return operator_of(rows[0]) if rows else None

    def revoke_operator(self, name: str) -> None:
        """Raises UnknownName."""
        with self._database.writing() as db:
            if not db.execute("SELECT 1 FROM operators WHERE name = ?", (name,)).fetchone():
                raise UnknownName(f"there is no operator {name!r}")
            db.execute(
                "UPDATE operators SET revoked = ? WHERE name = ? AND revoked IS NULL", (text_of(now()), name)
            )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
