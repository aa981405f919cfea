"""Sums that an earlier version kept in a file beside the state are taken over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config

from proxyset.aggregation.party import Counted
from proxyset.server import schema
from proxyset.server.database import sqlite
from proxyset.server.records import Outcome
from proxyset.server.state import State
from proxyset.server.two_party.store import Sum
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.aggregation import Verdict
from tests.aggregation.tasks import make_report, make_task, random_votes

OLD = """
CREATE TABLE sums (campaign, task, helper_url, helper_ca);
CREATE TABLE reports (campaign, client, id, fingerprint, received, size, data, job, verdict);
CREATE TABLE jobs (campaign, number, share);
CREATE TABLE totals (campaign, count, leader, helper, counts);
"""


def test_an_earlier_file_is_taken_over(tmp_path: Path) -> None:
    with closing(State.open(tmp_path / "new")) as made:
        sums, task = sums_of(made), make_task()
        reports = [make_report(task, random_votes(task, seed)) for seed in range(3)]
        sums.add(Sum(task, "https://helper", None))
        for number, report in enumerate(reports):
            assert sums.take(report, report.to_bytes(), str(number)) is Outcome.stored
        sums.freeze(task.campaign, 1)
        sums.finish(task, 0, Counted(task.vdaf.agg_init(), {reports[0].id: Verdict.invalid}))
        tables = {
            old: made._database.rows(f"SELECT * FROM {new}")
            for old, new in (
                ("sums", "sums"),
                ("reports", "sum_reports"),
                ("jobs", "sum_jobs"),
                ("totals", "sum_totals"),
            )
        }
        said = sums.progress(task.campaign)
    (tmp_path / "old").mkdir()
    database, config = sqlite(tmp_path / "old" / "state.sqlite"), Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with database.writing() as session:
        config.attributes["connection"] = session.connection
        command.upgrade(config, "0002")
    database.close()
    with closing(sqlite3.connect(tmp_path / "old" / "two-party.sqlite")) as file:
        file.executescript(OLD)
        for table, rows in tables.items():
            for row in rows:
                file.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        file.commit()
    with closing(State.open(tmp_path / "old", create=False)) as state:
        sums = sums_of(state)
        found = sums.find(task.campaign)
        assert found is not None and found.task == task
        assert sums.progress(task.campaign) == said and said.verdicts == {Verdict.invalid: 1}
        assert sums.answered("1") == {task.campaign}
