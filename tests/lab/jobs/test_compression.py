"""The compression job end to end on real digits, short: what it measures, and that it continues where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyset.train.settings import Settings
from proxyset_lab.cell import Data
from proxyset_lab.details import details_table
from proxyset_lab.experiment import Experiment
from proxyset_lab.report import write_report
from proxyset_lab.runner import run_experiment
from proxyset_lab.store import Store

METHODS = ("random", "k-center", "pool-weighted", "local")


@pytest.fixture
def experiment() -> Experiment:
    data = Data(name="digits-small", budgets=(60,), domains=("optdigits",), most=200)
    return Experiment(
        name="short", title="Short", job="compression", seeds=(0,), methods=METHODS, data=(data,)
    )


def test_the_job(experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits) -> None:  # type: ignore[no-untyped-def]
    short = Settings(steps=2, batch_size=8)
    for name in ("TAUGHT", "LEARNS"):
        monkeypatch.setattr(f"proxyset_lab.jobs.compression.{name}", short)
    store = Store(tmp_path / "results")
    done: list[int] = []
    run_experiment(experiment, store, lambda result, count, total: done.append(total))
    assert len(done) == 4
    run_experiment(experiment, store, lambda result, count, total: done.append(total))
    assert len(done) == 4
    for group in experiment.groups():
        outcomes = {cell.method: result.outcome for cell, result in store.read(group).items()}
        assert set(outcomes) == set(METHODS)
        for outcome in outcomes.values():
            found = outcome.details
            assert outcome.score == found["int8 accuracy"]
            assert found["multiply-adds saved, times"] >= 10
            assert found["int8 bytes"] < found["float32 bytes"] < found["teacher bytes"]
        assert len({outcome.details["teacher accuracy"] for outcome in outcomes.values()}) == 1
    [table] = details_table(experiment, store)
    assert [row[0] for row in table.rows] == list(METHODS)
    place = table.columns.index("teacher accuracy: over random")
    assert table.rows[0][place] == "" and table.text[1][place] == "0.0"  # one site, so no interval
    files = write_report(experiment, store, tmp_path / "report")
    assert "What the job measured" in files[0].read_text()


def test_experiments_without_a_job_have_no_such_table(tmp_path: Path) -> None:
    data = Data(name="digits-small", budgets=(60,), domains=("optdigits",), most=200)
    plain = Experiment(name="plain", title="Plain", seeds=(0,), methods=("random",), data=(data,))
    store = Store(tmp_path)
    run_experiment(plain, store)
    assert details_table(plain, store) == []
