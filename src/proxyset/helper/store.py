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

from proxyset.aggregation.noise import noised
from proxyset.aggregation.party import answer
from proxyset.errors import Refused
from proxyset.fingerprint import fingerprint
from proxyset.server.database import Session, sqlite
from proxyset.wire.aggregation import Job, Opened, Opening, checksum

FILE, KEY = "helper.sqlite", "helper.key"
_TABLES = (
    "seen (task VARCHAR NOT NULL, id BLOB NOT NULL, counted INTEGER NOT NULL, PRIMARY KEY (task, id)) WITHOUT ROWID",
    "jobs (task VARCHAR NOT NULL, number INTEGER NOT NULL, request VARCHAR NOT NULL, answer BLOB NOT NULL, "
    "share BLOB NOT NULL, PRIMARY KEY (task, number))",
    "openings (task VARCHAR NOT NULL PRIMARY KEY, reports INTEGER NOT NULL, checksum VARCHAR NOT NULL, at VARCHAR NOT NULL, "
    "campaign VARCHAR NOT NULL, leader VARCHAR NOT NULL, answer BLOB NOT NULL)",
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
        self._database, self._key, self.minimum = sqlite(folder / FILE), key, minimum
        with self._database.writing(verb="opened") as db:
            for table in _TABLES:
                db.execute(f"CREATE TABLE IF NOT EXISTS {table}")

    def count(self, data: bytes) -> bytes:
        """Verify and count the reports of a job; the encoded answer.

        Raises:
            ArtifactError: this is no job. Refused: another job had this number, or the task was opened already.
            StateError: the disk says no.
        """
        job, request = Job.from_bytes(data), fingerprint(data)
        task = job.task.fingerprint
        with self._database.writing() as db:
            asked = "SELECT request, answer FROM jobs WHERE task = ? AND number = ?"
            known = db.execute(asked, (task, job.number)).first()
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
                return (
                    db.execute("SELECT 1 FROM seen WHERE task = ? AND id = ?", (task, id)).first() is not None
                )

            told, counted = answer(self._key, job, seen)
            accepted, reply = set(counted.accepted), told.to_bytes()
            for id in counted.verdicts:
                row = (task, id, int(id in accepted))
                db.execute("INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)
            share = job.task.vdaf.encode_agg_share(counted.share)
            db.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?)", (task, job.number, request, reply, share))
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
        with self._database.writing() as db:
            if (done := _opening(db, task)) is not None:
                if (done.reports, done.checksum) != (asked.count, asked.checksum):
                    raise Refused(
                        f"this task was opened with another batch, of {done.reports} reports: no second one is ever opened, since "
                        "what is in one and not in the other would show"
                    )
                return bytes(done.answer)
            counted = db.execute("SELECT id FROM seen WHERE task = ? AND counted = 1", (task,))
            ids = [bytes(id) for id in counted.scalars()]
            if len(ids) < least:
                raise Refused(f"{len(ids)} reports were counted; a sum is opened here with {least} or more")
            if (len(ids), checksum(ids)) != (asked.count, asked.checksum):
                raise Refused(
                    f"the batch asked for, of {asked.count} reports, is not the one that was counted here, of {len(ids)}: no part "
                    "of a batch is opened"
                )
            shares = db.execute("SELECT share FROM jobs WHERE task = ?", (task,)).scalars()
            reply, at = _opened(asked, shares).to_bytes(), datetime.now(UTC).isoformat(timespec="seconds")
            row = (task, asked.count, asked.checksum, at, asked.task.campaign, asked.task.leader, reply)
            db.execute("INSERT INTO openings VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return reply

    def opened(self) -> list[OpenedSum]:
        """Every sum that was opened, oldest first."""
        asked = "SELECT task, campaign, leader, reports, at FROM openings ORDER BY at"
        return [OpenedSum(*row) for row in self._database.rows(asked)]

    def reports(self) -> int:
        """How many reports were counted, in all tasks together."""
        ((count,),) = self._database.rows("SELECT count(*) FROM seen WHERE counted = 1")
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _opening(db: Session, task: str) -> Any:
    return db.execute("SELECT * FROM openings WHERE task = ?", (task,)).first()


def _opened(asked: Opening, shares: Iterable[bytes]) -> Opened:
    task, vdaf = asked.task, asked.task.vdaf
    total = vdaf.merge(vdaf.decode_agg_share(bytes(share)) for share in shares)
    return Opened(task.fingerprint, asked.count, asked.checksum, noised(task, total))
