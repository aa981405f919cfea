import multiprocessing

import numpy as np
import pytest

from proxyset.errors import ArtifactError, InvalidInput
from proxyset_lab.cell import Data, Group
from proxyset_lab.cells import arithmetic, mak
from proxyset_lab.data.registry import find
from proxyset_lab.experiment import Experiment
from proxyset_lab.features import Features
from proxyset_lab.runner import run_experiment
from proxyset_lab.store import Store
from proxyset_lab.task import Task

SMALL = {
    "name": "small",
    "title": "Small",
    "seeds": [0],
    "clusters": [20],
    "methods": [
        "random",
        "k-center",
        "ecos",
        "ecos:clear",
        "mak",
        "local",
        "all-id",
        "whole-pool",
        "pool-weighted",
        "zero-shot",
    ],
    "data": [{"name": "digits-small", "budgets": [40, 100], "domains": ["mnist", "pendigits"], "most": 250}],
}


def experiment(**changes):
    return Experiment.model_validate(SMALL | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("results"))
    told = []
    assert run_experiment(experiment(), store, lambda result, done, total: told.append((done, total))) == 0
    return store, told


def test_every_cell_is_a_row(finished):
    store, told = finished
    total = 2 * (5 * 2 + 5)
    assert told == [(done, total) for done in range(1, total + 1)]
    for group in experiment().groups():
        results = store.read(group)
        assert set(results) == set(experiment().cells(group))
        for cell, result in results.items():
            outcome = result.outcome
            assert 0 <= outcome.score <= 1 and outcome.picked > 0 and result.seconds >= 0
            if cell.budget:
                assert outcome.picked == cell.budget
            assert (outcome.costs.epsilon == 0.58) == (cell.method in ("ecos", "pool-weighted"))
            assert (outcome.costs.bytes_down > 0) == cell.method.startswith(("ecos", "pool-weighted"))
        own = {cell.method: result.outcome.own_share for cell, result in results.items()}
        assert own["local"] == own["all-id"] == 1.0 and own["zero-shot"] == 0.0 < own["whole-pool"]


def test_running_again_runs_nothing_and_a_new_method_hears_the_same_noise(finished):
    store, _ = finished
    told = []
    run_experiment(experiment(), store, lambda *arguments: told.append(arguments))
    assert not told
    before = sorted(path.name for path in store.releases.iterdir())
    run_experiment(experiment(), store, lambda *arguments: told.append(arguments), again=["ecos"])
    assert len(told) == 4 and sorted(path.name for path in store.releases.iterdir()) == before
    for result, _, _ in told:
        assert result.cell.method == "ecos"


def test_a_group_that_another_process_holds_is_left_to_it(finished, tmp_path):
    store = Store(tmp_path / "other")
    group = next(experiment().groups())
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(store, group, ready, leave))
    process.start()
    try:
        assert ready.wait(60)
        one = experiment(methods=["random"])
        assert run_experiment(one, store) == 2
        assert not store.read(group)
    finally:
        leave.set()
        process.join(60)
    assert run_experiment(one, store) == 0 and len(store.read(group)) == 2


def _hold(store, group, ready, leave):
    with store.claimed(group) as ours:
        assert ours
        ready.set()
        leave.wait(60)


def test_results_of_other_settings_are_not_mixed(finished):
    store, _ = finished
    data = SMALL["data"][0] | {"most": 200}
    with pytest.raises(InvalidInput, match=r"'most': 250.*'most': 200"):
        run_experiment(experiment(data=[data]), store)


def test_damaged_results_are_told(finished, tmp_path):
    store, _ = finished
    group = next(experiment().groups())
    damaged = Store(tmp_path)
    damaged.write(group, store.read(group))
    path = next((tmp_path / "cells").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArtifactError, match="delete it and run again"):
        damaged.read(group)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    group = next(experiment().groups())
    data = experiment().of("digits-small")
    folder = tmp_path_factory.mktemp("task")
    return Task(group, data, Features.of(find("digits-small")), folder / "work", folder / "releases")


def test_the_oracle_equals_a_slow_reference(task):
    task.work.mkdir(exist_ok=True)
    rows = mak(task, 30)
    Z = task.candidates(None).Z
    private = task.index(None).projection(task.X[task.split.client])
    distances = np.array([min(float(((z - p) ** 2).sum()) for p in private) for z in Z])
    short = np.argsort(distances, kind="stable")[:45]
    picks = [0]
    while len(picks) < 30:
        gaps = ((Z[short][:, None] - Z[short][picks]) ** 2).sum(axis=2).min(axis=1)
        picks.append(int(gaps.argmax()))
    assert rows.tolist() == task.pool[short[picks]].tolist()


def test_counts_in_the_clear_are_votes(task):
    task.work.mkdir(exist_ok=True)
    probe = task.probe(20, None, "float32")
    coverage = task.clear_coverage(probe)
    X = task.X[task.split.client]
    labels = np.square(X[:, None] - probe.centroids).sum(axis=2).argmin(axis=1)
    assert np.array_equal(coverage.counts, np.bincount(labels, minlength=20)) and coverage.sigma == 0
    assert arithmetic(probe, len(X)) == len(X) * 20 * 72


def test_the_pool_may_hold_one_kind_only(tmp_path):
    run = experiment(methods=["random", "ecos"], pools=["id", "ood"])
    store = Store(tmp_path)
    run_experiment(run, store)
    for group in run.groups():
        shares = {result.outcome.own_share for result in store.read(group).values()}
        assert shares == {1.0 if group.pool == "id" else 0.0}


@pytest.mark.parametrize("name", ["digits-small", "sentiment"])
def test_pools_of_all_shares_are_equally_large_and_only_the_share_changes(name, tmp_path):
    features = Features.of(find(name))
    domain = find(name).domains[0].name
    own, others = {}, {}
    for pool in ("0%", "1%", "2.4%", "10%"):
        task = Task(
            Group(name, domain, 0, pool), Data(name=name, budgets=(10,)), features, tmp_path, tmp_path
        )
        is_own = features.domains[task.pool] == domain
        own[pool], others[pool] = set(task.pool[is_own]), set(task.pool[~is_own])
        assert len(own[pool]) == round(float(pool[:-1]) / 100 * len(task.pool))
        assert own[pool] == set(task.split.in_distribution)
    assert len({len(own[pool]) + len(others[pool]) for pool in own}) == 1
    assert own["0%"] < own["1%"] < own["2.4%"] < own["10%"]
    assert others["0%"] > others["1%"] > others["2.4%"] > others["10%"]


def test_shares_that_cannot_be_had_are_refused():
    with pytest.raises(ValueError, match=r"a pool of 20% .* at most 10%"):
        experiment(pools=["20%"])
    with pytest.raises(ValueError, match=r"shares such as 2\.4%"):
        experiment(pools=["id+ood"], axis="own-share")
