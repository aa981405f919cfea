"""Client labeling with real images; small, so accuracies mean nothing here."""

import pytest

from proxyset_lab.experiment import Experiment
from proxyset_lab.report import write_report
from proxyset_lab.runner import run_experiment
from proxyset_lab.store import Store


@pytest.mark.parametrize("job", ["client-label", "client-label-knn", "client-label-screened"])
def test_release_and_labels_are_paid_for_together(job, tmp_path):
    experiment = Experiment.model_validate(
        {
            "name": "labels",
            "title": "Labels",
            "seeds": [0],
            "clusters": [20],
            "methods": ["ecos", "random"],
            "job": job,
            "data": [{"name": "digits-small", "budgets": [40], "domains": ["mnist"]}],
        }
    )
    store = Store(tmp_path / "results")
    run_experiment(experiment, store)
    found = {cell.method: r.outcome for cell, r in store.read(next(experiment.groups())).items()}
    for outcome in found.values():
        assert 0 <= outcome.details["answered, share"] <= 1
        assert 0 < outcome.details["with true labels, accuracy"] <= 1
        assert outcome.costs.epsilon == outcome.details["ε in all"] <= 5
        assert (outcome.costs.epsilon > 4.9) == (job != "client-label-screened")
        assert outcome.costs.bytes_up > 80 and outcome.costs.bytes_down > 40 * 2 * 72
    assert [found[method].costs.rounds for method in ("ecos", "random")] == [2, 1]
    files = {path.name: path for path in write_report(experiment, store, tmp_path / "report")}
    assert "with true labels, accuracy" in files["labels.md"].read_text()
