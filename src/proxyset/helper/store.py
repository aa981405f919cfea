"""What the helper keeps, in `DIR/helper.sqlite`: which reports it has seen, its share of every job, and what it has opened.

    seen       task, id: of every report that came in any job, whatever became of it
    jobs       task, number: the request's SHA-256, the answer to it, the share of the sum
    openings   task: the one batch that was opened, and the share with its noise

Every answer is on the disk before it is sent, in the transaction that counts what it is about. Killed at any moment and asked
again, the helper gives the same answer or makes the first; a report counts once, and noise is drawn once, in every case. No share
of a single report is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, String, Table, func, insert, select
from sqlalchemy.engine import Row

from proxyset.aggregation.noise import noised
from proxyset.aggregation.party import answer
from proxyset.errors import Refused
from proxyset.helper.file import durable, writing
from proxyset.wire.aggregation import Job, Opened, Opening, checksum, request_digest
from proxyset.wire.task import Task

FILE = "helper.sqlite"
_TABLES = MetaData()
_SEEN = Table(
    "seen",
    _TABLES,
    Column("task", String, primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    Column("counted", Integer, nullable=False),
    sqlite_with_rowid=False,
)
_JOBS = Table(
    "jobs",
    _TABLES,
    Column("task", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("request", String, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("share", LargeBinary, nullable=False),
)
_OPENINGS = Table(
    "openings",
    _TABLES,
    Column("task", String, primary_key=True),
    Column("reports", Integer, nullable=False),
    Column("checksum", String, nullable=False),
    Column("at", String, nullable=False),
    Column("campaign", String, nullable=False),
    Column("leader", String, nullable=False),
    Column("answer", LargeBinary, nullable=False),
)


@dataclass(frozen=True)
class OpenedSum:
    """A sum that was opened: for the operator's eyes."""

    task: str
    campaign: str
    leader: str
    reports: int
    at: str


class HelperStore:
    """The helper's promises, kept.

    Sensitivity:
        Each report counts once in its task, and a task is opened once: the sum's sensitivity is the task's.
    Unit:
        The task's.
    Guarantee:
        Whatever a leader asks, in whatever order, and whenever this is killed: what it learns of a task is one share with one
        draw of noise, over at least `max(minimum, task.minimum)` reports.
    Assumes:
        The file is not set back to an older copy: that would forget what was opened. One file for one key.

    Attributes:
        minimum: the fewest reports of any sum that is opened here.
    """

    def __init__(self, folder: Path, key: SigningKey, minimum: int) -> None:
        self._engine = durable(folder / FILE, _TABLES)
        self._key, self.minimum = key, minimum

    def count(self, data: bytes) -> bytes:
        """Verify and count the reports of a job; the encoded answer.

        Raises:
            ArtifactError: this is no job. Refused: another job had this number, or the task was opened already.
            StateError: the disk says no.
        """
        job, request = Job.from_bytes(data), request_digest(data)
        task = job.task.fingerprint
        with writing(self._engine) as db:
            known = db.execute(
                select(_JOBS.c.request, _JOBS.c.answer).where(
                    _JOBS.c.task == task, _JOBS.c.number == job.number
                )
            ).first()
            if known is not None:
                if known.request != request:
                    raise Refused(
                        f"job {job.number} of this task was another one: a job is sent again as it was"
                    )
                return bytes(known.answer)
            if (done := _opening(db, task)) is not None:
                raise Refused(
                    f"this task was opened with {done.reports} reports; nothing is counted after that"
                )

            def seen(id: bytes) -> bool:
                found = select(_SEEN.c.id).where(_SEEN.c.task == task, _SEEN.c.id == id)
                return db.execute(found).first() is not None

            told, counted = answer(self._key, job, seen)
            accepted, reply = set(counted.accepted), told.to_bytes()
            new = [id for id in counted.verdicts if not seen(id)]
            if new:
                rows = [{"task": task, "id": id, "counted": int(id in accepted)} for id in new]
                db.execute(insert(_SEEN), rows)
            share = job.task.vdaf.encode_agg_share(counted.share)
            db.execute(
                insert(_JOBS),
                [{"task": task, "number": job.number, "request": request, "answer": reply, "share": share}],
            )
        return reply

    def open(self, data: bytes) -> bytes:
        """Open this aggregator's share of a task's sum; the encoded answer. The same batch again gives the same bytes.

        Raises:
            ArtifactError: this is no opening.
            Refused: too few reports; another batch than the one that was counted here; or another one was opened already.
            StateError: the disk says no.
        """
        asked = Opening.from_bytes(data)
        task, least = asked.task.fingerprint, max(self.minimum, asked.task.minimum)
        with writing(self._engine) as db:
            if (done := _opening(db, task)) is not None:
                if (done.reports, done.checksum) != (asked.count, asked.checksum):
                    raise Refused(
                        f"this task was opened with another batch, of {done.reports} reports: no second one is ever opened, since "
                        "what is in one and not in the other would show"
                    )
                return bytes(done.answer)
            ids = [
                bytes(id)
                for (id,) in db.execute(select(_SEEN.c.id).where(_SEEN.c.task == task, _SEEN.c.counted == 1))
            ]
            if len(ids) < least:
                raise Refused(f"{len(ids)} reports were counted; a sum is opened here with {least} or more")
            if (len(ids), checksum(ids)) != (asked.count, asked.checksum):
                raise Refused(
                    f"the batch asked for, of {asked.count} reports, is not the one that was counted here, of {len(ids)}: no part "
                    "of a batch is opened"
                )
            shares = db.execute(select(_JOBS.c.share).where(_JOBS.c.task == task)).scalars()
            reply = _opened(asked.task, shares, asked).to_bytes()
            db.execute(
                insert(_OPENINGS),
                [
                    {
                        "task": task,
                        "reports": asked.count,
                        "checksum": asked.checksum,
                        "at": datetime.now(UTC).isoformat(timespec="seconds"),
                        "campaign": asked.task.campaign,
                        "leader": asked.task.leader,
                        "answer": reply,
                    }
                ],
            )
        return reply

    def opened(self) -> list[OpenedSum]:
        """Every sum that was opened, oldest first."""
        columns = (
            _OPENINGS.c.task, _OPENINGS.c.campaign, _OPENINGS.c.leader, _OPENINGS.c.reports, _OPENINGS.c.at,
        )  # fmt: skip
        with writing(self._engine) as db:
            return [OpenedSum(*row) for row in db.execute(select(*columns).order_by(_OPENINGS.c.at))]

    def reports(self) -> int:
        """How many reports were counted, in all tasks together."""
        with writing(self._engine) as db:
            return db.execute(select(func.count()).where(_SEEN.c.counted == 1)).scalar_one()

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def _opening(db: Connection, task: str) -> Row[Any] | None:
    return db.execute(select(_OPENINGS).where(_OPENINGS.c.task == task)).first()


def _opened(task: Task, shares: Iterable[bytes], asked: Opening) -> Opened:
    vdaf = task.vdaf
    total = vdaf.merge(vdaf.decode_agg_share(bytes(share)) for share in shares)
    return Opened(task.fingerprint, asked.count, asked.checksum, noised(task, total))
