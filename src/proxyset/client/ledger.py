"""The ledger: what was released, what it cost, and the cap that no answer may pass.

One SQLite file. Entries are only ever added; each carries the hash of the one before. An answer goes through
two states:

    debit     committed and flushed to the disk BEFORE any noise is drawn; it pays for one draw
    release   the drawn release, committed and flushed BEFORE it is handed to anyone

so that whatever left the machine has its debit on the disk. A crash between the two leaves a debit without a
release: its draw never left, and it is never drawn again; the next request pays anew. A crash can cost
budget, not privacy.

The same probe for the same data set with the same settings gets the stored release, bit for bit, at no cost;
with other settings it is one more draw with a debit of its own. `exclusive` keeps the whole of "look for it,
debit, draw, store" to one process at a time, so two requests at once get one draw.

Costs add up in ρ (zCDP), which is a valid stopping rule even when a probe was chosen after seeing earlier
answers (Whitehouse, Ramdas, Rogers and Wu 2023). The cap is stated as (ε, δ) and converted once, when it is
set. The conversion loses something; so that a cap of ε = 10 allows at least one answer of ε = 10, a first
answer may also keep the cap by its own (ε, δ), and then it is the last.
"""

from __future__ import annotations

import fcntl
import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from proxyset.atomic import replacing
from proxyset.client.calibration import composed_epsilon, zcdp_epsilon, zcdp_rho
from proxyset.client.chain import GENESIS, Entry, Kind, check_links
from proxyset.errors import ArtifactError, BudgetExceeded, LedgerError
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire.release import PrivacyStatement, Release

APPLICATION_ID = 0x50585354  # "PXST"
SCHEMA_VERSION = 1
WAIT_SECONDS = 120.0
_COLUMNS = ", ".join(field.name for field in fields(Entry))
_TYPES = {"seq": "INTEGER PRIMARY KEY", "max_records": "INTEGER", "ref": "INTEGER"} | dict.fromkeys(
    ("rho", "epsilon", "delta", "sigma"), "REAL"
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


@dataclass(frozen=True)
class Cap:
    """The most that may be spent, as (ε, δ); `rho` is what is enforced."""

    epsilon: float = 10.0
    delta: float = 1e-5

    @property
    def rho(self) -> float:
        return zcdp_rho(self.epsilon, self.delta)


@dataclass(frozen=True)
class Account:
    """Where the budget stands, in all or for one server.

    Attributes:
        cap_rho, cap_epsilon, cap_delta: the cap; None where a server has none of its own.
        spent_rho: the sum of all debits.
        spent_epsilon: that sum as ε at the cap's δ, by zCDP: holds whatever the servers did.
        reported_epsilon: by privacy loss distributions: tighter; holds if no probe depended on an earlier
            answer.
        remaining_rho: what is left; 0 when nothing is.
        debits: how many.
        weakest: the units, adjacencies and record bounds of the debits. With more than one, the sums protect
            the weakest of them only: one record, added or removed.
    """

    cap_rho: float | None
    cap_epsilon: float | None
    cap_delta: float | None
    spent_rho: float
    spent_epsilon: float
    reported_epsilon: float
    remaining_rho: float | None
    debits: int
    weakest: list[str]


def default_path() -> Path:
    """PROXYSET_LEDGER, else `proxyset/ledger.sqlite` in the user's state folder (XDG_STATE_HOME)."""
    if chosen := os.environ.get("PROXYSET_LEDGER"):
        return Path(chosen)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "proxyset" / "ledger.sqlite"


class Ledger:
    """A ledger file. Holds no connection and no lock between calls: safe over forks, threads and processes.

    Sensitivity:
        It takes the statements of releases; it never sees a private item.
    Unit:
        That of each debit; see `Account.weakest` when they differ.
    Guarantee:
        Whatever the servers did, all releases together keep the (ε, δ) of the cap in force, per server and
        in all, for every data set named in it (the sum over all data sets is what is capped).
    Assumes:
        The disk keeps what it says it flushed, and the owner does not delete or replace the file. One ledger
        is used for all answers about the same people.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[Entry] = []

    @classmethod
    def open(
        cls, path: str | os.PathLike[str] | None = None, *, cap: Cap | None = None, create: bool = True
    ) -> Ledger:
        """Open a ledger, or begin one with `cap` (ε = 10 at δ = 1e-5 unless told otherwise).

        Args:
            path: the file; None for `default_path()`.
            cap: only for a new ledger; an old one keeps its own (`set_cap` changes it).
            create: whether a missing file is begun.

        Raises:
            LedgerError: missing (and not create), not a ledger, damaged, of another version, or not writable.
            InvalidInput: an impossible cap.
        """
        ledger = cls(Path(path if path is not None else default_path()).absolute())
        if not ledger.path.exists():
            if not create:
                raise LedgerError(f"there is no ledger at {ledger.path}")
            ledger._begin(cap or Cap())
        ledger.entries()
        return ledger

    def _begin(self, cap: Cap) -> None:
        limits = _cap_fields(cap)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.exclusive():
                if self.path.exists():
                    return
                with replacing(self.path) as temporary, closing(sqlite3.connect(temporary)) as db:
                    db.executescript(
                        f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
                        f"{_SCHEMA}"
                    )
                    _insert(db, _follow([], "cap", note="the cap this ledger began with", **limits))
                    db.commit()
                self.path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"no ledger can be begun at {self.path}: {error}") from error

    # Reading

    def entries(self) -> list[Entry]:
        """All entries, in order, with the chain checked.

        Raises:
            LedgerError: the file is not a ledger, or was changed outside proxyset.
        """
        with self._database() as db:
            return list(self._load(db))

    def cap(self, server: str = "") -> Cap | None:
        """The cap in force for `server`, or in all when that is "", as (ε, δ); None without one."""
        entry = _cap_entry(self.entries(), server)
        if entry is None or entry.epsilon is None or entry.delta is None:
            return None
        return Cap(entry.epsilon, entry.delta)

    def cap_rho(self, server: str = "") -> float | None:
        """The cap in force for `server`, or in all when that is "": ρ, or None without one."""
        return _cap_in(self.entries(), server)

    def spent(self, server: str = "") -> float:
        """ρ debited for `server`, or in all when that is ""."""
        return _spent_in(self.entries(), server)

    def remaining(self, server: str = "") -> float:
        """ρ that can still be debited for `server`, both caps considered; never below 0."""
        entries = self.entries()
        rooms = [
            cap - _spent_in(entries, name)
            for name in {"", server}
            if (cap := _cap_in(entries, name)) is not None
        ]
        return max(0.0, min(rooms))

    def account(self, server: str = "") -> Account:
        """Where the budget stands. Computes the privacy loss distributions, so it can take a second."""
        entries = self.entries()
        debits = _debits(entries, server)
        cap = _cap_entry(entries, server)
        delta = cap.delta if cap and cap.delta else Cap().delta
        spent = _spent_in(entries, server)
        return Account(
            cap_rho=cap.rho if cap else None,
            cap_epsilon=cap.epsilon if cap else None,
            cap_delta=cap.delta if cap else None,
            spent_rho=spent,
            spent_epsilon=zcdp_epsilon(spent, delta),
            reported_epsilon=composed_epsilon([e.statement for e in debits], delta),
            remaining_rho=None if cap is None or cap.rho is None else max(0.0, cap.rho - spent),
            debits=len(debits),
            weakest=sorted({f"{e.unit}, {e.adjacency}, at most {e.max_records}" for e in debits}),
        )

    def stored(self, probe: str, dataset: str, privacy: PrivacyStatement) -> Release | None:
        """The newest release for this probe and data set that was asked for with the settings of `privacy`, or None.

        Raises:
            LedgerError: the stored bytes are not those that were released.
        """
        with self._database() as db:
            entries = self._load(db)
            asked = (probe, dataset, _settings(privacy))
            for entry in reversed(entries):
                if entry.kind != "release":
                    continue
                paid = entries[(entry.ref or 0) - 1]
                if (entry.probe, entry.dataset, _settings(paid)) == asked:
                    return _decode(db, entry)
            return None

    def releases(self) -> list[tuple[Entry, Release]]:
        """Every stored release with its entry, in order.

        Raises:
            LedgerError: stored bytes are not those that were released.
        """
        with self._database() as db:
            return [(entry, _decode(db, entry)) for entry in self._load(db) if entry.kind == "release"]

    def texts(self, kind: Literal["policy", "pin"], server: str = "") -> list[tuple[Entry, bytes]]:
        """Every policy, or every commitment that `server` was pinned to, with its entry, in order.

        Raises:
            LedgerError: one is not what was put in.
        """
        with self._database() as db:
            found = [entry for entry in self._load(db) if (entry.kind, entry.server) == (kind, server)]
            return [(entry, _blob(db, entry)) for entry in found]

    def verify(self) -> Entry:
        """Check everything that can be checked offline, from the first entry on, and return the last.

        Raises:
            LedgerError: the chain is broken, a stored release differs from its entry, a debit paid for two
                releases, or the debits passed the cap in force.
        """
        self._entries = []
        with self._database() as db:
            entries = self._load(db)
            (state,) = db.execute("PRAGMA integrity_check").fetchone()
            if state != "ok":
                raise LedgerError(f"the ledger {self.path} is damaged: {state}")
            drawn: set[int | None] = set()
            for index, entry in enumerate(entries):
                if entry.kind == "debit":
                    _refuse_above_cap(entries[:index], entry.statement, entry.server)
                elif entry.kind == "release":
                    debit = entries[(entry.ref or 0) - 1]
                    same = (debit.kind, debit.probe, debit.dataset) == ("debit", entry.probe, entry.dataset)
                    if entry.ref in drawn or not same or _decode(db, entry).privacy != debit.statement:
                        raise LedgerError(f"release {entry.seq} of {self.path} has no debit of its own")
                    drawn.add(entry.ref)
                elif entry.kind in ("policy", "pin"):
                    _blob(db, entry)
            return entries[-1]

    def export_jsonl(self) -> str:
        """All entries as JSON lines, in the form that is hashed."""
        return "".join(canonical_json(asdict(entry)).decode() + "\n" for entry in self.entries())

    # Writing

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

    def check(self, privacy: PrivacyStatement, server: str = "") -> None:
        """Raise BudgetExceeded if a debit would be refused now. Changes nothing; `debit` checks again."""
        _refuse_above_cap(self.entries(), privacy, server)

    def debit(
        self, privacy: PrivacyStatement, *, probe: str, dataset: str, server: str = "", policy: str = ""
    ) -> Entry:
        """Pay for one draw: check and debit in one transaction, on the disk when this returns.

        Sensitivity:
            As stated in `privacy`.
        Unit:
            As stated in `privacy`.
        Guarantee:
            Never past a cap, however many processes try at once.
        Assumes:
            Noise is drawn after this returns, once.

        Raises:
            BudgetExceeded: it would pass the cap of the server or of all; nothing is debited.
            LedgerError: it could not be written durably; nothing may be drawn.
        """
        paid = privacy.model_dump(exclude={"mechanism", "l2_sensitivity"})
        return self._add(
            "debit",
            lambda entries: _refuse_above_cap(entries, privacy, server),
            probe=probe,
            dataset=dataset,
            server=server,
            policy=policy,
            **paid,
        )

    def store(self, debit: Entry, release: Release) -> Entry:
        """Keep the drawn release; on the disk when this returns, and only then may it be handed on.

        Raises:
            LedgerError: it could not be written, or the debit already has a release.
        """

        def refuse_second(entries: list[Entry]) -> None:
            if any(e.kind == "release" and e.ref == debit.seq for e in entries):
                raise LedgerError(
                    f"debit {debit.seq} already paid for a release: one debit pays for one draw"
                )

        same = {name: getattr(debit, name) for name in ("probe", "dataset", "server", "policy")}
        return self._add("release", refuse_second, release.to_bytes(), ref=debit.seq, **same)

    def set_cap(self, cap: Cap, server: str = "", note: str = "") -> Entry:
        """Change the cap of `server`, or of all when that is "". The change itself stays in the ledger.

        Raises:
            InvalidInput: an impossible cap.
            LedgerError: it could not be written.
        """
        return self._add("cap", server=server, note=note, **_cap_fields(cap))

    def add_policy(self, text: bytes, note: str = "") -> Entry:
        """Put a policy in force (`policy.adopt` checks it first). The one before stays in the ledger.

        Raises:
            LedgerError: it could not be written.
        """
        return self._add("policy", blob=text, note=note, policy=fingerprint(text))

    def add_pin(self, server: str, commitment: str) -> Entry:
        """Hold `server` to the index that it committed to; "" when the owner lets it go back to none.

        Raises:
            LedgerError: it could not be written.
        """
        return self._add("pin", blob=commitment.encode(), server=server)

    def add_decision(
        self, probe: str, server: str, approved: PrivacyStatement | None = None, note: str = ""
    ) -> Entry:
        """Keep what the owner decided about a probe (`decisions`): a refusal, or approval up to a statement's numbers.

        Raises:
            LedgerError: it could not be written.
        """
        if approved is None:
            return self._add("refusal", probe=probe, server=server, note=note)
        limits = approved.model_dump(include={"epsilon", "delta", "unit", "adjacency", "max_records"})
        return self._add("approval", probe=probe, server=server, note=note, **limits)

    def _add(
        self,
        kind: Kind,
        check: Callable[[list[Entry]], None] | None = None,
        blob: bytes | None = None,
        **values: Any,
    ) -> Entry:
        """Add one entry, if `check` raises nothing, in one transaction."""
        with self._database(write=True) as db:
            entries = self._load(db)
            if check:
                check(entries)
            entry = _follow(entries, kind, digest="" if blob is None else fingerprint(blob), **values)
            _insert(db, entry)
            if blob is not None:
                db.execute("INSERT INTO blobs VALUES (?, ?)", (entry.seq, blob))
        self._entries = [*entries, entry]
        return entry

    def _load(self, db: sqlite3.Connection) -> list[Entry]:
        """All entries; only those that are new to this object are read and checked."""
        known = self._entries
        rows = db.execute(f"SELECT {_COLUMNS} FROM entries WHERE seq >= ? ORDER BY seq", (len(known),))
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
        except (sqlite3.Error, TypeError, ValueError) as error:
            if isinstance(error, LedgerError):
                raise
            raise LedgerError(
                f"the ledger {self.path} could not be {'written' if write else 'read'}: {error}"
            ) from error

    def _check_header(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise LedgerError(f"{self.path} is not a proxyset ledger; choose another path")
        if version != SCHEMA_VERSION:
            raise LedgerError(f"{self.path} has schema {version}, this proxyset reads {SCHEMA_VERSION}")


def _follow(entries: list[Entry], kind: Kind, **values: Any) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    prev = entries[-1].hash if entries else GENESIS
    return Entry(seq=len(entries) + 1, time=now, kind=kind, prev=prev, **values).sealed()


def _insert(db: sqlite3.Connection, entry: Entry) -> None:
    marks = ", ".join("?" * len(fields(Entry)))
    db.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES ({marks})", tuple(asdict(entry).values()))


def _blob(db: sqlite3.Connection, entry: Entry) -> bytes:
    row = db.execute("SELECT data FROM blobs WHERE seq = ?", (entry.seq,)).fetchone()
    if row is None or not isinstance(row[0], bytes) or fingerprint(row[0]) != entry.digest:
        raise LedgerError(f"the {entry.kind} of ledger entry {entry.seq} is missing or was changed")
    return row[0]


def _settings(of: PrivacyStatement | Entry) -> tuple[object, ...]:
    """What the owner chose; σ and ρ follow from it."""
    return of.epsilon, of.delta, of.unit, of.adjacency, of.max_records


def _decode(db: sqlite3.Connection, entry: Entry) -> Release:
    data = _blob(db, entry)
    try:
        return Release.from_bytes(data)
    except ArtifactError as error:
        raise LedgerError(f"the release of ledger entry {entry.seq} cannot be read: {error}") from error


def _debits(entries: list[Entry], server: str) -> list[Entry]:
    return [e for e in entries if e.kind == "debit" and server in ("", e.server)]


def _spent_in(entries: list[Entry], server: str) -> float:
    return math.fsum(e.rho or math.inf for e in _debits(entries, server))


def _cap_in(entries: list[Entry], server: str) -> float | None:
    entry = _cap_entry(entries, server)
    return entry.rho if entry else None


def _cap_entry(entries: list[Entry], server: str) -> Entry | None:
    return next((e for e in reversed(entries) if e.kind == "cap" and e.server == server), None)


def _cap_fields(cap: Cap) -> dict[str, Any]:
    return {"rho": cap.rho, "epsilon": float(cap.epsilon), "delta": float(cap.delta)}


def _refuse_above_cap(entries: list[Entry], cost: PrivacyStatement, server: str) -> None:
    for name in dict.fromkeys(("", server)):
        cap, spent = _cap_entry(entries, name), _spent_in(entries, name)
        if cap is None or cap.rho is None or math.fsum((spent, cost.rho)) <= cap.rho:
            continue
        if not spent and cost.epsilon <= (cap.epsilon or 0) and cost.delta <= (cap.delta or 0):
            continue  # alone, it keeps the cap by its own (ε, δ); nothing can follow it
        whose = f"of server {name!r}" if name else "of this ledger"
        raise BudgetExceeded(
            f"this answer costs ρ = {cost.rho:.4g}; {spent:.4g} of the cap {whose}, {cap.rho:.4g}, is spent "
            f"and {max(0.0, cap.rho - spent):.4g} is left. Ask for a smaller epsilon, or raise the cap: "
            "proxyset ledger cap"
        )
