"""The job on pixels with real images; small and short, so accuracies mean nothing here."""

import dataclasses

import numpy as np
import pytest

from proxyset.errors import InvalidInput
from proxyset.train.settings import Settings
from proxyset_lab import fixmatch
from proxyset_lab.data.registry import find
from proxyset_lab.details import details_table
from proxyset_lab.experiment import Experiment
from proxyset_lab.features import Features
from proxyset_lab.jobs import JOBS, find_job, selective
from proxyset_lab.report import write_report
from proxyset_lab.runner import run_experiment
from proxyset_lab.store import Store

SMALL = {
    "name": "small",
    "title": "Small",
    "seeds": [0],
    "clusters": [20],
    "methods": ["random", "ecos", "local"],
    "data": [{"name": "digits-small", "budgets": [40, 80], "domains": ["mnist"], "most": 250}],
}


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(
        selective, "SUPERVISED", dataclasses.replace(selective.SUPERVISED, steps=4, batch_size=8)
    )


@pytest.mark.parametrize("job", ["selective", pytest.param("selective-fixmatch", marks=pytest.mark.thorough)])
def test_cells_are_trained_on_pixels_and_kept(job, tmp_path):
    experiment = Experiment.model_validate(SMALL | {"job": job})
    store = Store(tmp_path / "results")
    assert run_experiment(experiment, store) == 0
    (group,) = experiment.groups()
    first = store.read(group)
    assert {cell.method for cell in first} == {"random", "ecos", "local"}
    assert all(0 <= result.outcome.score <= 1 for result in first.values())
    again = Store(tmp_path / "again")
    (tmp_path / "again").mkdir()
    (tmp_path / "results" / "releases").rename(tmp_path / "again" / "releases")
    run_experiment(experiment, again)
    assert {c: r.outcome for c, r in again.read(group).items()} == {c: r.outcome for c, r in first.items()}
    files = {path.name: path for path in write_report(experiment, store, tmp_path / "report")}
    assert "labels saved against random" in files["small.md"].read_text()


def test_unlabeled_items_of_the_same_release_are_compared_on_the_same_labels(tmp_path):
    data = [{"name": "digits-small", "budgets": [40], "domains": ["mnist"], "most": 250}]
    changes = {
        "job": "selective-fixmatch",
        "methods": ["ecos"],
        "clusters": [selective.CLUSTERS],
        "data": data,
    }
    experiment, store = Experiment.model_validate(SMALL | changes), Store(tmp_path / "results")
    run_experiment(experiment, store)
    assert len(list(store.releases.iterdir())) == 1  # nothing was asked of the client twice
    (result,) = store.read(next(experiment.groups())).values()
    found = result.outcome.details
    kinds = ["supervised", "rest of the pool", "wider proxy set", "own kind"]
    assert [name for name in found if name.endswith("accuracy")] == [f"{kind}, accuracy" for kind in kinds]
    assert found["rest of the pool, accuracy"] == result.outcome.score
    gain = "wider proxy set over rest of the pool, gain"
    assert found[gain] == found["wider proxy set, accuracy"] - found["rest of the pool, accuracy"]
    [table] = details_table(experiment, store)
    shown = dict(zip(table.columns, table.text[0], strict=True))
    assert float(shown[gain].replace("−", "-")) == pytest.approx(100 * found[gain], abs=0.051)


def test_results_of_another_job_are_not_mixed(tmp_path):
    store = Store(tmp_path)
    store.settle(Experiment.model_validate(SMALL | {"job": "selective"}))
    with pytest.raises(InvalidInput, match="selective"):
        store.settle(Experiment.model_validate(SMALL | {"job": "selective-fixmatch"}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"job": "cooking"}, "there is no job 'cooking'"),
        ({"job": "selective", "methods": ["random", "upload"]}, "picks no items"),
        ({"job": "selective", "data": [{"name": "sentiment", "budgets": [10]}]}, "sentiment has none"),
    ],
)
def test_experiments_that_cannot_work(changes, words):
    with pytest.raises(ValueError, match=words):
        Experiment.model_validate(SMALL | changes)


def test_jobs_by_name():
    assert all(callable(find_job(name)) for name in JOBS)
    with pytest.raises(InvalidInput, match="choose selective"):
        find_job("cooking")


def test_what_unlabeled_images_are_worth_runs_on_real_images():
    features = Features.of(find("digits-small"))
    rows = np.flatnonzero(features.domains == "mnist")[:400]
    X, y = features.pixels(28)[rows], features.labels[rows].astype(np.int64)
    scores = fixmatch.run(X, y, 0, Settings(steps=4, batch_size=8), tests=100)
    assert tuple(scores) == fixmatch.METHODS
    assert all(0 <= score <= 1 for score in scores.values())
