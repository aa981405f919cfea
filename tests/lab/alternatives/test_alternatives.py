from dataclasses import replace

import dp_accounting
import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.optimize import minimize

from proxyset_lab.alternatives import dp_classifier, dp_newton, dp_sgd, fedavg, linear, private_evolution
from proxyset_lab.alternatives.linear import Bounded
from proxyset_lab.alternatives.rehearsed import rehearsed
from proxyset_lab.alternatives.runs import ALTERNATIVE_RUNS
from proxyset_lab.cell import Data, Group
from proxyset_lab.data.registry import find
from proxyset_lab.features import Features
from proxyset_lab.task import Task

EPSILON, DELTA = 0.58, 1e-5


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    data = Data(name="digits-small", budgets=(60,), most=250)
    return Task(
        Group("digits-small", "mnist", 0, "id+ood"), data, Features.of(find("digits-small")), folder, folder
    )


@pytest.mark.parametrize("name", [name for name in ALTERNATIVE_RUNS if not name.startswith("dp-sgd")])
def test_each_gives_a_score_and_says_what_it_cost(task, name):
    epsilon = (
        2.0 if name == "private-evolution" else 8.0
    )  # its composed noise is searched for; at 8 that takes half a minute
    outcome = ALTERNATIVE_RUNS[name](task, 60, epsilon)
    assert 0.1 < outcome.score <= 1
    assert outcome.costs.epsilon == (None if name == "upload" else epsilon)
    assert outcome.costs.bytes_up > 0 and outcome.costs.rounds >= 1
    if name in ("private-evolution", "dp-classifier"):
        assert outcome.picked == 60


def test_rehearsals_hold_nothing_of_the_clients_site(task):
    assert len(task.rehearsals) == 2 and len({other.group.private for other in task.rehearsals}) == 2
    for other in task.rehearsals:
        rows = np.concatenate([other.split.test, other.split.client, other.pool])
        assert np.isin(rows, task.split.others).all() and len(set(rows)) == len(rows)
        assert not (task.features.domains[rows] == task.group.private).any()
        assert set(task.features.domains[other.split.client]) == {other.group.private}


@pytest.mark.parametrize(
    "name",
    [
        "dp-newton",
        "dp-fedavg",
        "dp-fedavg-public",
        pytest.param("dp-sgd-public", marks=pytest.mark.thorough),
        "dp-classifier",
    ],
)
def test_no_setting_is_chosen_on_test_items(task, name, monkeypatch):
    """One model is measured on the test items, whatever a method could be set to."""
    if name.startswith("dp-sgd"):
        pytest.importorskip("opacus")
    measured = []

    def noting(measure):
        def both(*arguments):
            measured.append(next(of for of in arguments if isinstance(of, Task)))
            return measure(*arguments)

        return both

    monkeypatch.setattr(Bounded, "measure", noting(Bounded.measure))
    monkeypatch.setattr(Task, "score", noting(Task.score))
    ALTERNATIVE_RUNS[name](task, 60, 8.0)
    assert [of is task for of in measured].count(True) == 1
    assert all(of is task or of in task.rehearsals for of in measured) and len(measured) > 4


def test_the_setting_is_that_of_the_rehearsals_mean(task):
    values = {
        name: [0.1 * place, 0.5, 0.2] for place, name in enumerate(o.group.private for o in task.rehearsals)
    }

    def scores(of, settings):
        return [values[of.group.private]["abc".index(setting)] for setting in settings]

    assert rehearsed(task, "abc", scores) == "b"


def test_dp_sgd_by_opacus(task):
    pytest.importorskip("opacus")
    outcome = dp_sgd.dp_sgd(task, 60, 8.0)
    assert 0.2 < outcome.score <= 1 and outcome.costs.bytes_up == 4 * 73 * 10


def test_more_privacy_is_more_noise():
    assert fedavg._noise(0.58, DELTA) > 3 * fedavg._noise(4.0, DELTA)


@pytest.mark.thorough
def test_more_privacy_is_more_noise_by_opacus():
    pytest.importorskip("opacus")
    assert dp_sgd._noise(0.25, 40, 0.58, DELTA) > 3 * dp_sgd._noise(0.25, 40, 4.0, DELTA)


def test_the_start_predicts_as_the_public_model_does(task):
    bounded = Bounded.of(task)
    assert np.allclose(np.linalg.norm(bounded.X, axis=1), 2**0.5)
    W = bounded.start(task, 60)
    rows = task.rng(3).permutation(task.pool)[:60]
    model = replace(task.training, C=linear._C).model().fit(bounded.X[rows, :-1], task.y[rows])
    test = task.split.test
    said = bounded.classes[(bounded.X[test] @ W).argmax(axis=1)]
    assert np.array_equal(said, model.predict(bounded.X[test, :-1]))
    assert not bounded.start(task, 0).any()


def test_updates_of_all_participants_equal_those_of_each():
    rng = np.random.default_rng(0)
    X, Y, W = rng.normal(size=(7, 4)), np.eye(3)[rng.integers(0, 3, 7)], rng.normal(size=(4, 3))
    found = fedavg.updates(X, Y, W)
    for x, y, steps in zip(X, Y, found, strict=True):
        local = W.copy()
        for _ in range(fedavg.LOCAL_STEPS):
            scores = x @ local
            softmax = np.exp(scores) / np.exp(scores).sum()
            local += fedavg.LOCAL_RATE * np.outer(x, y - softmax)
        update = local - W
        update /= max(1.0, np.linalg.norm(update) / fedavg.CLIP)
        assert np.allclose(np.outer(x, steps), update)


def test_a_gradient_of_one_record_is_clipped_and_of_many_is_the_slope():
    rng = np.random.default_rng(0)
    X, Y, W = rng.normal(size=(9, 4)), np.eye(3)[rng.integers(0, 3, 9)], rng.normal(size=(4, 3))
    for x, y in zip(X, Y, strict=True):
        assert np.linalg.norm(dp_newton.gradient(x[None], y[None], 5 * W)) <= dp_newton.CLIP + 1e-12
    small = X / 100  # too short for the clip to touch

    def loss(flat):
        scores = small @ flat.reshape(W.shape)
        return float((np.log(np.exp(scores).sum(axis=1)) - (scores * Y).sum(axis=1)).sum())

    found, step = dp_newton.gradient(small, Y, W).ravel(), 1e-5
    slopes = [(loss(W.ravel() + e) - loss(W.ravel() - e)) / (2 * step) for e in step * np.eye(W.size)]
    assert np.allclose(found, slopes, atol=1e-8)
    H = dp_newton.curvature(small, W)
    for k in range(3):  # the block of a class is how its gradient bends
        e = np.zeros_like(W)
        e[0, k] = step
        bent = (dp_newton.gradient(small, Y, W + e) - dp_newton.gradient(small, Y, W - e))[:, k] / (2 * step)
        assert np.allclose(H[k][0], bent, atol=1e-8)


def test_federated_noise_is_enough_by_another_accountant():
    multiplier = fedavg._noise(EPSILON, DELTA)
    step = dp_accounting.PoissonSampledDpEvent(fedavg.SAMPLED, dp_accounting.GaussianDpEvent(multiplier))
    accountant = dp_accounting.pld.PLDAccountant()
    accountant.compose(step, fedavg.ROUNDS)
    assert 0.7 * EPSILON < accountant.get_epsilon(DELTA) <= EPSILON


def test_rounds_of_votes_compose_to_epsilon():
    statement = private_evolution.round_statement(EPSILON, DELTA, 4)
    composed = pld.from_discrete_gaussian_mechanism(statement.sigma).self_compose(4)
    assert 0.97 * EPSILON < composed.get_epsilon_for_delta(DELTA) <= EPSILON
    assert statement.rho == pytest.approx(1 / (2 * statement.sigma**2))


def test_neighbours_are_distinct_and_as_many_as_asked():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(200, 3)).astype(np.float32)
    parents = np.repeat([5, 9], 20)
    children = private_evolution._children(Z, parents, 4, rng)
    assert len(set(children)) == 40
    rows = private_evolution._around(Z, children[:10], np.arange(10.0), 77)
    assert len(set(rows)) == len(rows) == 77
    near = private_evolution._around(Z, np.array([0, 1]), np.array([1.0, 0.0]), 5)
    assert set(near) == set(np.square(Z - Z[0]).sum(axis=1).argsort()[:5])


def test_the_private_classifier_is_at_its_minimum_and_moves_less_than_its_sensitivity():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) + 0.5
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    private, public, strength = X[:20], X[20:], 20.0

    def value(w):
        own, other = np.logaddexp(0, -(private @ w)).sum(), np.logaddexp(0, public @ w).sum()
        return own + dp_classifier.PUBLIC_WEIGHT * other + strength * w @ w / 2

    w, gradient = dp_classifier._minimise(private, public, strength)
    assert gradient <= 1e-6 and np.allclose(w, minimize(value, np.zeros(5), tol=1e-10).x, atol=1e-4)
    for row in range(20):
        other, _ = dp_classifier._minimise(np.delete(private, row, axis=0), public, strength)
        assert np.linalg.norm(w - other) <= (1 + 2e-6) / strength


@pytest.mark.parametrize("epsilon", [0.05, 0.58, 3.0])
def test_the_analytic_gaussian_agrees_with_its_privacy_loss_distribution(epsilon):
    sigma = dp_classifier.analytic_sigma(epsilon, DELTA)
    found = pld.from_gaussian_mechanism(sigma).get_epsilon_for_delta(DELTA)
    assert found == pytest.approx(epsilon, rel=0.01)
