"""What the leader keeps of its two-party sums, in `DIR/two-party.sqlite`, beside its key, `DIR/leader.key`.

    sums      campaign: its task, and where the helper is
    reports   campaign, client: one report each, first come; its shares until it was judged, then its verdict
    jobs      campaign, number: the leader's share of what was accepted
    totals    campaign: the leader's opened share, the helper's, and the sum

What a method has returned is on the disk. A report belongs to one job, for good, before any job is sent; a job's share and the
verdicts of its reports are one transaction, and with it the reports' shares are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from proxyset.aggregation.party import Counted
from proxyset.errors import InvalidInput, StateError
from proxyset.server.records import Outcome, now
from proxyset.server.two_party.engine import durable, writing
from proxyset.wire.aggregation import Verdict
from proxyset.wire.report import Report
from proxyset.wire.signing import make_key, read_key
from proxyset.wire.task import Task
from proxyset.wire.total import Total

if TYPE_CHECKING:
    from nacl.signing import SigningKey

FILE, KEY = "two-party.sqlite", "leader.key"
JOB_REPORTS = 64
_TABLES = MetaData()
_SUMS = Table(
    "sums",
    _TABLES,
    Column("campaign", String, primary_key=True),
    Column("task", String, nullable=False),
    Column("helper_url", String, nullable=False),
    Column("helper_ca", String, nullable=False),
)
_REPORTS = Table(
    "reports",
    _TABLES,
    Column("campaign", String, primary_key=True),
    Column("client", String, primary_key=True),
    Column("id", LargeBinary, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("received", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary),
    Column("job", Integer, index=True),
    Column("verdict", Integer),
    UniqueConstraint("campaign", "id"),
)
_JOBS = Table(
    "jobs",
    _TABLES,
    Column("campaign", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("share", LargeBinary),
)
_TOTALS = Table(
    "totals",
    _TABLES,
    Column("campaign", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("leader", LargeBinary, nullable=False),
    Column("helper", LargeBinary),
    Column("counts", LargeBinary),
)


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
    """The two-party sums of one server's state; safe for many threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _engine(self) -> Engine:
        return durable(self._folder / FILE, _TABLES)

    @property
    def _none(self) -> bool:
        """Whether no sum was ever begun here: then no file is."""
        return not (self._folder / FILE).exists()

    def key(self) -> SigningKey:
        """The leader's key, made at the first call. Raises StateError."""
        path = self._folder / KEY
        try:
            if not path.exists():
                make_key(path)
            return read_key(path)
        except (InvalidInput, OSError) as error:
            raise StateError(f"the leader's key cannot be used: {error}") from error

    def add(self, new: Sum) -> None:
        """Begin a sum, before its campaign; one that was begun and got no report, because its campaign was not, gives way.

        Raises:
            StateError: there are reports for one of that name.
        """
        task = new.task
        mine = _REPORTS.c.campaign == task.campaign
        with writing(self._engine) as db:
            if db.execute(select(_REPORTS.c.id).where(mine)).first() is not None:
                raise StateError(f"there is a two-party sum {task.campaign!r} already: choose another name")
            db.execute(delete(_SUMS).where(_SUMS.c.campaign == task.campaign))
            row = {
                "campaign": task.campaign,
                "task": task.model_dump_json(),
                "helper_url": new.helper_url,
                "helper_ca": str(new.helper_ca or ""),
            }
            db.execute(insert(_SUMS), [row])

    def find(self, campaign: str) -> Sum | None:
        """The sum of a campaign, or None where releases are asked for."""
        if self._none:
            return None
        with writing(self._engine) as db:
            row = db.execute(select(_SUMS).where(_SUMS.c.campaign == campaign)).first()
        if row is None:
            return None
        return Sum(
            Task.model_validate_json(row.task), row.helper_url, Path(row.helper_ca) if row.helper_ca else None
        )

    def take(self, report: Report, data: bytes, client: str) -> Outcome:
        """Keep a report; on the disk when this returns, and only then may it be acknowledged. The first of a client stands."""
        campaign = report.task.campaign
        with writing(self._engine) as db:
            mine = select(_REPORTS.c.fingerprint).where(
                _REPORTS.c.campaign == campaign, _REPORTS.c.client == client
            )
            if (known := db.execute(mine).scalar()) is not None:
                return Outcome.known if known == report.fingerprint else Outcome.answered
            if _frozen(db, campaign):
                return Outcome.closed
            same = select(_REPORTS.c.client).where(
                _REPORTS.c.campaign == campaign, _REPORTS.c.id == report.id
            )
            if db.execute(same).first() is not None:
                return Outcome.taken
            row = {
                "campaign": campaign,
                "client": client,
                "id": report.id,
                "fingerprint": report.fingerprint,
                "received": now().isoformat(),
                "size": len(data),
                "data": data,
            }
            db.execute(insert(_REPORTS), [row])
        return Outcome.stored

    def answered(self, client: str) -> set[str]:
        """The campaigns that have a report of a client."""
        if self._none:
            return set()
        with writing(self._engine) as db:
            return set(db.execute(select(_REPORTS.c.campaign).where(_REPORTS.c.client == client)).scalars())

    def freeze(self, campaign: str, least: int) -> None:
        """Give every report its job, for good, and take no more.

        Raises:
            StateError: there are fewer reports than `least`; nothing is changed.
        """
        with writing(self._engine) as db:
            if _frozen(db, campaign):
                return
            ids = db.execute(
                select(_REPORTS.c.id).where(_REPORTS.c.campaign == campaign).order_by(_REPORTS.c.id)
            )
            found = list(ids.scalars())
            if len(found) < least:
                raise StateError(
                    f"campaign {campaign!r} has {len(found)} reports, and its sum is opened with {least} or more: wait for them, "
                    "and aggregate then"
                )
            for start in range(0, len(found), JOB_REPORTS):
                number = start // JOB_REPORTS
                db.execute(insert(_JOBS), [{"campaign": campaign, "number": number}])
                db.execute(
                    update(_REPORTS)
                    .where(
                        _REPORTS.c.campaign == campaign, _REPORTS.c.id.in_(found[start : start + JOB_REPORTS])
                    )
                    .values(job=number)
                )

    def unfinished(self, campaign: str) -> list[int]:
        """The jobs that are still to be done, in order."""
        asked = select(_JOBS.c.number).where(_JOBS.c.campaign == campaign, _JOBS.c.share.is_(None))
        with writing(self._engine) as db:
            return list(db.execute(asked.order_by(_JOBS.c.number)).scalars())

    def reports(self, campaign: str, job: int) -> list[Report]:
        """The reports of an unfinished job, always in the same order."""
        asked = select(_REPORTS.c.data).where(_REPORTS.c.campaign == campaign, _REPORTS.c.job == job)
        with writing(self._engine) as db:
            found = list(db.execute(asked.order_by(_REPORTS.c.id)).scalars())
        return [Report.from_bytes(bytes(data)) for data in found]

    def finish(self, task: Task, job: int, counted: Counted) -> None:
        """Keep what a job came to. Finished twice, by two processes, it is the same."""
        with writing(self._engine) as db:
            db.execute(
                update(_JOBS)
                .where(_JOBS.c.campaign == task.campaign, _JOBS.c.number == job)
                .values(share=task.vdaf.encode_agg_share(counted.share))
            )
            for id, verdict in counted.verdicts.items():
                db.execute(
                    update(_REPORTS)
                    .where(_REPORTS.c.campaign == task.campaign, _REPORTS.c.id == id)
                    .values(verdict=int(verdict), data=None)
                )

    def counted(self, campaign: str) -> list[bytes]:
        """The ids of the reports that were accepted."""
        asked = select(_REPORTS.c.id).where(
            _REPORTS.c.campaign == campaign, _REPORTS.c.verdict == int(Verdict.accepted)
        )
        with writing(self._engine) as db:
            return [bytes(id) for id in db.execute(asked).scalars()]

    def shares(self, campaign: str) -> list[bytes]:
        """The leader's share of every job."""
        with writing(self._engine) as db:
            return list(db.execute(select(_JOBS.c.share).where(_JOBS.c.campaign == campaign)).scalars())

    def open_own(self, campaign: str, count: int, share: bytes) -> bytes:
        """The leader's share with its noise: the one that was kept first, whoever asks with whatever."""
        with writing(self._engine) as db:
            kept = db.execute(select(_TOTALS.c.leader).where(_TOTALS.c.campaign == campaign)).scalar()
            if kept is not None:
                return bytes(kept)
            db.execute(insert(_TOTALS), [{"campaign": campaign, "count": count, "leader": share}])
        return share

    def keep_total(self, campaign: str, helper: bytes, counts: NDArray[np.int64]) -> None:
        """Keep the sum."""
        with writing(self._engine) as db:
            db.execute(
                update(_TOTALS)
                .where(_TOTALS.c.campaign == campaign)
                .values(helper=helper, counts=counts.astype("<i8").tobytes())
            )

    def total(self, campaign: str) -> Total | None:
        """The noisy sum, once it is opened."""
        if self._none:
            return None
        with writing(self._engine) as db:
            kept = db.execute(select(_TOTALS.c.counts).where(_TOTALS.c.campaign == campaign)).scalar()
        found = self.find(campaign)
        if kept is None or found is None:
            return None
        task = found.task
        return Total(np.frombuffer(kept, "<i8").astype(np.int64), task.probe, task.index, task.privacy)

    def progress(self, campaign: str) -> Progress:
        """How far it is."""
        verdicts = select(_REPORTS.c.verdict, func.count()).where(_REPORTS.c.campaign == campaign)
        with writing(self._engine) as db:
            rows = db.execute(verdicts.group_by(_REPORTS.c.verdict)).all()
            found: dict[int | None, int] = {row[0]: row[1] for row in rows}
            asked = select(func.count(), func.count(_JOBS.c.share)).where(_JOBS.c.campaign == campaign)
            jobs, done = db.execute(asked).one()
        judged = {
            Verdict(int(key)): count for key, count in sorted(found.items(), key=str) if key is not None
        }
        opened = self.total(campaign) is not None
        return Progress(sum(found.values()), judged, jobs > 0, opened, jobs, done)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def _frozen(db: Connection, campaign: str) -> bool:
    return db.execute(select(_JOBS.c.number).where(_JOBS.c.campaign == campaign)).first() is not None
