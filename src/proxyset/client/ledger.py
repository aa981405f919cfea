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

Servers are named in the one form of `wire.server_name`, whatever form a caller uses, and entries of before that had one are
compared in it.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Literal, TypeVar

from proxyset.client.budget import (
    Account,
    Cap,
    account_of,
    cap_entry,
    cap_fields,
    cap_in,
    refuse_above_cap,
    spent_in,
)
from proxyset.client.chain import ANSWERS, Entry, Kind
from proxyset.client.ledger_file import LedgerFile, blob_of
from proxyset.errors import ArtifactError, LedgerError
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire.questions import LabelRelease, LabelStatement
from proxyset.wire.release import PrivacyStatement, Release
from proxyset.wire.report import Report
from proxyset.wire.server_name import recorded_name, server_name
from proxyset.wire.task import Task

__all__ = ["Account", "Cap", "Ledger", "default_path"]


def default_path() -> Path:
    """PROXYSET_LEDGER, else `proxyset/ledger.sqlite` in the user's state folder (XDG_STATE_HOME)."""
    if chosen := os.environ.get("PROXYSET_LEDGER"):
        return Path(chosen)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "proxyset" / "ledger.sqlite"


Sent = TypeVar("Sent", Release, LabelRelease, Report)


class Ledger(LedgerFile):
    """A ledger. Holds no connection and no lock between calls: safe over forks, threads and processes.

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
        ledger = cls(Path(path if path is not None else default_path()))
        if not ledger.path.exists():
            if not create:
                raise LedgerError(f"there is no ledger at {ledger.path}")
            ledger._begin(cap_fields(cap or Cap()))
        ledger.entries()
        return ledger

    # Reading

    def cap(self, server: str = "") -> Cap | None:
        """The cap in force for `server`, or in all when that is "", as (ε, δ); None without one."""
        entry = cap_entry(self.entries(), recorded_name(server))
        if entry is None or entry.epsilon is None or entry.delta is None:
            return None
        return Cap(entry.epsilon, entry.delta)

    def cap_rho(self, server: str = "") -> float | None:
        """The cap in force for `server`, or in all when that is "": ρ, or None without one."""
        return cap_in(self.entries(), recorded_name(server))

    def spent(self, server: str = "") -> float:
        """ρ debited for `server`, or in all when that is ""."""
        return spent_in(self.entries(), recorded_name(server))

    def remaining(self, server: str = "") -> float:
        """ρ that can still be debited for `server`, both caps considered; never below 0."""
        entries = self.entries()
        rooms = [
            cap - spent_in(entries, name)
            for name in {"", recorded_name(server)}
            if (cap := cap_in(entries, name)) is not None
        ]
        return max(0.0, min(rooms))

    def account(self, server: str = "") -> Account:
        """Where the budget stands. Computes the privacy loss distributions, so it can take a second."""
        return account_of(self.entries(), recorded_name(server))

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
                    return _decode(db, entry, Release)
            return None

    def releases(self) -> list[tuple[Entry, Release]]:
        """Every stored release with its entry, in order.

        Raises:
            LedgerError: stored bytes are not those that were released.
        """
        return self._sent("release", Release)

    def stored_labels(self, questions: str, dataset: str, privacy: LabelStatement) -> LabelRelease | None:
        """The newest labels for these questions and data set under exactly this statement, or None.

        Raises:
            LedgerError: the stored bytes are not those that were released.
        """
        for entry, labels in reversed(self.label_releases()):
            if (entry.probe, entry.dataset, labels.privacy) == (questions, dataset, privacy):
                return labels
        return None

    def label_releases(self) -> list[tuple[Entry, LabelRelease]]:
        """Every stored set of labels with its entry, in order.

        Raises:
            LedgerError: stored bytes are not those that were released.
        """
        return self._sent("labels", LabelRelease)

    def stored_report(self, task: Task, dataset: str) -> Report | None:
        """The newest report for this task and data set, or None.

        Raises:
            LedgerError: the stored bytes are not those that were released.
        """
        for entry, report in reversed(self.reports()):
            if (entry.dataset, report.task) == (dataset, task):
                return report
        return None

    def reports(self) -> list[tuple[Entry, Report]]:
        """Every stored report with its entry, in order.

        Raises:
            LedgerError: stored bytes are not those that were released.
        """
        return self._sent("report", Report)

    def _sent(self, kind: str, form: type[Sent]) -> list[tuple[Entry, Sent]]:
        with self._database() as db:
            return [(entry, _decode(db, entry, form)) for entry in self._load(db) if entry.kind == kind]

    def texts(self, kind: Literal["policy", "pin", "key"], server: str = "") -> list[tuple[Entry, bytes]]:
        """Every policy, or every commitment or key that `server` was pinned to, with its entry, in order.

        Raises:
            LedgerError: one is not what was put in.
        """
        server = recorded_name(server)
        with self._database() as db:
            found = [entry for entry in self._load(db) if (entry.kind, entry.who) == (kind, server)]
            return [(entry, blob_of(db, entry)) for entry in found]

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
                    refuse_above_cap(entries[:index], entry.statement, entry.who)
                elif entry.kind in ANSWERS:
                    debit = entries[(entry.ref or 0) - 1]
                    same = (debit.kind, debit.probe, debit.dataset) == ("debit", entry.probe, entry.dataset)
                    if entry.ref in drawn or not same or not _paid(debit, db, entry):
                        raise LedgerError(f"release {entry.seq} of {self.path} has no debit of its own")
                    drawn.add(entry.ref)
                elif entry.kind in ("policy", "pin", "key"):
                    blob_of(db, entry)
            return entries[-1]

    def export_jsonl(self) -> str:
        """All entries as JSON lines, in the form that is hashed."""
        return "".join(canonical_json(asdict(entry)).decode() + "\n" for entry in self.entries())

    # Writing

    def check(self, privacy: PrivacyStatement, server: str = "") -> None:
        """Raise BudgetExceeded if a debit would be refused now. Changes nothing; `debit` checks again."""
        refuse_above_cap(self.entries(), privacy, server_name(server))

    def debit(
        self,
        privacy: PrivacyStatement,
        *,
        probe: str,
        dataset: str,
        server: str = "",
        policy: str = "",
        note: str = "",
        task: Task | None = None,
    ) -> Entry:
        """Pay for one draw: check and debit in one transaction, on the disk when this returns.

        Args:
            task: what a report is for, whose statement `privacy` is; it is kept beside the entry, with all that it assumes.

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
        server = server_name(server)
        paid = privacy.model_dump(exclude={"mechanism", "l2_sensitivity"})
        return self._add(
            "debit",
            lambda entries: refuse_above_cap(entries, privacy, server),
            probe=probe,
            dataset=dataset,
            server=server,
            policy=policy,
            note=note,
            blob=None if task is None else canonical_json(task.model_dump(mode="json")),
            **paid,
        )

    def store(self, debit: Entry, release: Release | LabelRelease | Report) -> Entry:
        """Keep what was drawn; on the disk when this returns, and only then may it be handed on.

        Raises:
            LedgerError: it could not be written, or the debit already has a release.
        """

        def refuse_second(entries: list[Entry]) -> None:
            if any(e.kind in ANSWERS and e.ref == debit.seq for e in entries):
                raise LedgerError(
                    f"debit {debit.seq} already paid for a release: one debit pays for one draw"
                )

        same = {name: getattr(debit, name) for name in ("probe", "dataset", "server", "policy")}
        kind: Kind = "labels"
        if not isinstance(release, LabelRelease):
            kind = "release" if isinstance(release, Release) else "report"
        return self._add(kind, refuse_second, release.to_bytes(), ref=debit.seq, **same)

    def set_cap(self, cap: Cap, server: str = "", note: str = "") -> Entry:
        """Change the cap of `server`, or of all when that is "". The change itself stays in the ledger.

        Raises:
            InvalidInput: an impossible cap.
            LedgerError: it could not be written.
        """
        return self._add("cap", server=server_name(server), note=note, **cap_fields(cap))

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
        return self._add("pin", blob=commitment.encode(), server=server_name(server))

    def add_decision(
        self, probe: str, server: str, approved: PrivacyStatement | None = None, note: str = ""
    ) -> Entry:
        """Keep what the owner decided about a probe (`decisions`): a refusal, or approval up to a statement's numbers.

        Raises:
            LedgerError: it could not be written.
        """
        server = server_name(server)
        if approved is None:
            return self._add("refusal", probe=probe, server=server, note=note)
        limits = approved.model_dump(include={"epsilon", "delta", "unit", "adjacency", "max_records"})
        return self._add("approval", probe=probe, server=server, note=note, **limits)

    def add_key(self, server: str, key: str) -> Entry:
        """Hold `server` to the public key that signs its models.

        Raises:
            LedgerError: it could not be written.
        """
        return self._add("key", blob=key.encode(), server=server_name(server))


def _settings(of: PrivacyStatement | Entry) -> tuple[object, ...]:
    """What the owner chose; σ and ρ follow from it."""
    return of.epsilon, of.delta, of.unit, of.adjacency, of.max_records


def _decode(db: sqlite3.Connection, entry: Entry, form: type[Sent]) -> Sent:
    data = blob_of(db, entry)
    try:
        return form.from_bytes(data)
    except ArtifactError as error:
        raise LedgerError(f"the {entry.kind} of ledger entry {entry.seq} cannot be read: {error}") from error


def _paid(debit: Entry, db: sqlite3.Connection, entry: Entry) -> bool:
    """Whether a debit is for what was stored: its very statement, or the last draw of a set of labels."""
    if entry.kind == "release":
        return _decode(db, entry, Release).privacy == debit.statement
    if entry.kind == "report":
        task = _decode(db, entry, Report).task
        named = canonical_json(task.model_dump(mode="json"))
        return task.privacy == debit.statement and blob_of(db, debit) == named
    privacy = _decode(db, entry, LabelRelease).privacy
    last = [draw for draw in (privacy.screening, privacy.voting) if draw]
    return any(debit.sigma == draw.sigma and (debit.rho or 0) <= draw.rho for draw in last)
