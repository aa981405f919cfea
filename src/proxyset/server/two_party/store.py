"""What the leader keeps of its two-party sums, in the tables of the server's state, and its key, `DIR/leader.key`.

    sums         campaign: its task, and where the helper is
    sum_reports  campaign, client: one report each, first come; its shares until it was judged, then its verdict
    sum_jobs     campaign, number: the leader's share of what was accepted
    sum_totals   campaign: the leader's opened share, the helper's, and the sum

What a method has returned is on the disk. A report belongs to one job, for good, before any job is sent; a job's share and the
verdicts of its reports are one transaction, and with it the reports' shares are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from proxyset.aggregation.party import Counted
from proxyset.errors import StateError
from proxyset.server.records import Outcome, now
from proxyset.server.rows import text_of
from proxyset.server.two_party.sums import KEY
from proxyset.wire.aggregation import Verdict
from proxyset.wire.report import Report
from proxyset.wire.signing import own_key
from proxyset.wire.task import Task
from proxyset.wire.total import Total

if TYPE_CHECKING:
    from nacl.signing import SigningKey

    from proxyset.server.database import Database, Session

JOB_REPORTS = 64


@dataclass(frozen=True)
class Sum:
    """One two-party sum: its task, and the helper's URL and certificate authority (None for those that the system trusts)."""

    task: Task
    helper_url: str
    helper_ca: Path | None


@dataclass(frozen=True)
class Progress:
    """How far a sum is.

    Attributes:
        reports: that came in.
        verdicts: of those that were judged.
        closed: no more are taken, because aggregation has begun.
        opened: whether the sum is there.
        jobs, jobs_done: into how many batches the reports were put, and how many of them were verified with the helper.
    """

    reports: int
    verdicts: dict[Verdict, int]
    closed: bool
    opened: bool
    jobs: int = 0
    jobs_done: int = 0

    def words(self) -> str:
        """One line for people."""
        said = f"{self.reports:,} reports"
        if self.verdicts:
            said += ": " + ", ".join(f"{count:,} {verdict.name}" for verdict, count in self.verdicts.items())
        return said + ("; the sum is opened" if self.opened else "; the sum is not opened")


class Sums:
    """The two-party sums of a state; safe for many threads, processes and servers at once.

    Args:
        database, folder: of the state.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder

    def key(self) -> SigningKey:
        """The leader's key, made at the first call. Raises StateError."""
        return own_key(self._folder / KEY)

    def add(self, new: Sum) -> None:
        """Begin a sum, before its campaign; one that was begun and got no report, because its campaign was not, gives way.

        Raises:
            StateError: there are reports for one of that name.
        """
        name = new.task.campaign
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM sum_reports WHERE campaign = ?", (name,)).first():
                raise StateError(f"there is a two-party sum {name!r} already: choose another name")
            db.execute("DELETE FROM sums WHERE campaign = ?", (name,))
            row = (name, new.task.model_dump_json(), new.helper_url, str(new.helper_ca or ""))
            db.execute("INSERT INTO sums VALUES (?, ?, ?, ?)", row)

    def find(self, campaign: str) -> Sum | None:
        """The sum of a campaign, or None where releases are asked for."""
        rows = self._database.rows(
            "SELECT task, helper_url, helper_ca FROM sums WHERE campaign = ?", campaign
        )
        if not rows:
            return None
        task, url, ca = rows[0]
        return Sum(Task.model_validate_json(task), url, Path(ca) if ca else None)

    def take(self, report: Report, data: bytes, client: str) -> Outcome:
        """Keep a report; on the disk when this returns, and only then may it be acknowledged. The first of a client stands."""
        campaign = report.task.campaign
        with self._database.writing() as db:
            mine = "SELECT fingerprint FROM sum_reports WHERE campaign = ? AND client = ?"
            if (known := db.execute(mine, (campaign, client)).scalar()) is not None:
                return Outcome.known if known == report.fingerprint else Outcome.answered
            if _frozen(db, campaign):
                return Outcome.closed
            if db.execute(
                "SELECT 1 FROM sum_reports WHERE campaign = ? AND id = ?", (campaign, report.id)
            ).first():
                return Outcome.taken
            row = (campaign, client, report.id, report.fingerprint, text_of(now()), len(data), data)
            db.execute("INSERT INTO sum_reports VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
        return Outcome.stored

    def answered(self, client: str) -> set[str]:
        """The campaigns that have a report of a client."""
        rows = self._database.rows("SELECT campaign FROM sum_reports WHERE client = ?", client)
        return {campaign for (campaign,) in rows}

    def freeze(self, campaign: str, least: int) -> None:
        """Give every report its job, for good, and take no more.

        Raises:
            StateError: there are fewer reports than `least`; nothing is changed.
        """
        with self._database.writing() as db:
            if _frozen(db, campaign):
                return
            found = (
                db.execute("SELECT id FROM sum_reports WHERE campaign = ? ORDER BY id", (campaign,))
                .scalars()
                .all()
            )
            if len(found) < least:
                raise StateError(
                    f"campaign {campaign!r} has {len(found)} reports, and its sum is opened with {least} or more: wait for them, "
                    "and aggregate then"
                )
            for place, id in enumerate(found):
                number, first = divmod(place, JOB_REPORTS)
                if first == 0:
                    db.execute("INSERT INTO sum_jobs VALUES (?, ?, NULL)", (campaign, number))
                db.execute(
                    "UPDATE sum_reports SET job = ? WHERE campaign = ? AND id = ?", (number, campaign, id)
                )

    def unfinished(self, campaign: str) -> list[int]:
        """The jobs that are still to be done, in order."""
        asked = "SELECT number FROM sum_jobs WHERE campaign = ? AND share IS NULL ORDER BY number"
        return [number for (number,) in self._database.rows(asked, campaign)]

    def reports(self, campaign: str, job: int) -> list[Report]:
        """The reports of an unfinished job, always in the same order."""
        asked = "SELECT data FROM sum_reports WHERE campaign = ? AND job = ? ORDER BY id"
        return [Report.from_bytes(bytes(data)) for (data,) in self._database.rows(asked, campaign, job)]

    def finish(self, task: Task, job: int, counted: Counted) -> None:
        """Keep what a job came to. Finished twice, by two processes, it is the same."""
        with self._database.writing() as db:
            share = task.vdaf.encode_agg_share(counted.share)
            db.execute(
                "UPDATE sum_jobs SET share = ? WHERE campaign = ? AND number = ?", (share, task.campaign, job)
            )
            for id, verdict in counted.verdicts.items():
                db.execute(
                    "UPDATE sum_reports SET verdict = ?, data = NULL WHERE campaign = ? AND id = ?",
                    (int(verdict), task.campaign, id),
                )

    def counted(self, campaign: str) -> list[bytes]:
        """The ids of the reports that were accepted."""
        asked = "SELECT id FROM sum_reports WHERE campaign = ? AND verdict = ?"
        return [bytes(id) for (id,) in self._database.rows(asked, campaign, int(Verdict.accepted))]

    def shares(self, campaign: str) -> list[bytes]:
        """The leader's share of every job."""
        return [
            bytes(share)
            for (share,) in self._database.rows("SELECT share FROM sum_jobs WHERE campaign = ?", campaign)
        ]

    def open_own(self, campaign: str, count: int, share: bytes) -> bytes:
        """The leader's share with its noise: the one that was kept first, whoever asks with whatever."""
        with self._database.writing() as db:
            kept = db.execute("SELECT leader FROM sum_totals WHERE campaign = ?", (campaign,)).scalar()
            if kept is not None:
                return bytes(kept)
            db.execute("INSERT INTO sum_totals VALUES (?, ?, ?, NULL, NULL)", (campaign, count, share))
        return share

    def keep_total(self, campaign: str, helper: bytes, counts: NDArray[np.int64]) -> None:
        """Keep the sum."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE sum_totals SET helper = ?, counts = ? WHERE campaign = ?",
                (helper, counts.astype("<i8").tobytes(), campaign),
            )

    def total(self, campaign: str) -> Total | None:
        """The noisy sum, once it is opened."""
        rows = self._database.rows(
            "SELECT counts, count FROM sum_totals WHERE campaign = ? AND counts IS NOT NULL", campaign
        )
        found = self.find(campaign)
        if not rows or found is None:
            return None
        sums, reports = rows[0]
        return Total.of(found.task, np.frombuffer(sums, "<i8").astype(np.int64), reports)

    def progress(self, campaign: str) -> Progress:
        """How far it is."""
        asked = "SELECT verdict, count(*) FROM sum_reports WHERE campaign = ? GROUP BY verdict"
        with self._database.snapshot() as db:
            found = {row[0]: row[1] for row in db.execute(asked, (campaign,))}
            batches = "SELECT count(*), count(share) FROM sum_jobs WHERE campaign = ?"
            jobs, done = db.execute(batches, (campaign,)).one()
        judged = {Verdict(key): found[key] for key in sorted(key for key in found if key is not None)}
        return Progress(sum(found.values()), judged, jobs > 0, self.total(campaign) is not None, jobs, done)


def _frozen(db: Session, campaign: str) -> bool:
    return db.execute("SELECT 1 FROM sum_jobs WHERE campaign = ?", (campaign,)).first() is not None
