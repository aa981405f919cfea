"""Class shares at home: right where probabilities are, careful where they are not, and the same whatever the order."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from proxyset import adapt_to_client
from proxyset.client.adapt import state_shares
from proxyset.errors import InvalidInput

Array = NDArray[np.float64]


def drawn(
    rng: np.random.Generator, shares: Array, items: int, temperature: float = 1.0
) -> tuple[Array, NDArray[np.int64]]:
    """Items of Gaussian classes around the corners of a simplex, and what the right model of equal shares says of them."""
    K = len(shares)
    y = rng.choice(K, items, p=shares / shares.sum())
    X = 1.5 * np.eye(K)[y] + rng.standard_normal((items, K))
    return 1.5 * X * temperature, y


def accuracy(scores: Array, y: NDArray[np.int64]) -> float:
    return 100 * float((scores.argmax(axis=1) == y).mean())


@pytest.mark.parametrize("K", [2, 5, 26])
def test_skew_is_found_and_no_skew_is_left_alone(K: int) -> None:
    """Means over clients of 200 items each, of models unsure, right, and too sure of themselves; the seeds are fixed."""
    equal, won, could = np.full(K, 1 / K), 0.0, 0.0
    clients = 10 if K < 26 else 4
    for temperature in (0.5, 1.0, 3.0):
        cost = 0.0
        for seed in range(clients):
            rng = np.random.default_rng([seed, K])
            shares = rng.dirichlet(np.full(K, 0.3)) + 1e-9
            items, _ = drawn(rng, shares, 200, temperature)
            test, y = drawn(rng, shares, 2000, temperature)
            won += accuracy(adapt_to_client(items, equal).apply(test), y) - accuracy(test, y)
            could += accuracy(state_shares(shares, equal).apply(test), y) - accuracy(test, y)
            items, _ = drawn(rng, equal, 200, temperature)
            test, y = drawn(rng, equal, 2000, temperature)
            cost += accuracy(test, y) - accuracy(adapt_to_client(items, equal).apply(test), y)
        assert cost / clients <= 0.3
    assert won >= 0.5 * could


def test_a_model_that_is_not_sure_enough_by_far_is_no_skew() -> None:
    """A forest of few items is right on nine digits of ten and says 0.3 of them: without skew that is left alone."""
    X, y = load_digits(return_X_y=True)
    cost = 0.0
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(len(X))
        train, own, test = rows[:150], rows[150:350], rows[350:]
        forest = RandomForestClassifier(60, min_samples_leaf=2, random_state=seed).fit(X[train], y[train])
        with np.errstate(divide="ignore"):
            own_scores, scores = (np.log(forest.predict_proba(X[of])) for of in (own, test))
        fitted = adapt_to_client(own_scores, np.bincount(y[train], minlength=10))
        cost += accuracy(scores, y[test]) - accuracy(fitted.apply(scores), y[test])
    assert cost / 3 <= 0.3  # it was 76 when nothing asked what is visible


def test_many_classes_take_seconds() -> None:
    rng = np.random.default_rng(0)
    scores = 4 * rng.standard_normal((400, 600))
    started = time.process_time()
    fitted = adapt_to_client(scores, np.ones(600))
    assert (
        np.isfinite(fitted.offsets).all() and time.process_time() - started < 30
    )  # minutes, before it looked in 64 directions only


def test_shares_are_near_the_truth() -> None:
    rng, true = np.random.default_rng(0), np.array([0.7, 0.2, 0.1, 0.0])
    found = adapt_to_client(drawn(rng, true, 5000)[0], np.ones(4))
    assert found.prior.sum() == pytest.approx(1) and found.items == 5000
    assert np.abs(found.prior - true).max() < 0.12  # held back a little, on purpose
    assert found.prior.argmax() == 0 and found.prior[3] < 0.1


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_order_says_nothing(data: st.DataObject) -> None:
    n, K = data.draw(st.integers(0, 30)), data.draw(st.integers(1, 8))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    scores = 4 * rng.standard_normal((n, K))
    shares = rng.dirichlet(np.ones(K)) * (rng.random(K) < 0.8)
    shares[0] += 0.1
    found = adapt_to_client(scores, shares)
    assert (
        np.isfinite(found.prior).all() and found.prior.sum() == pytest.approx(1) and (found.prior >= 0).all()
    )
    assert (found.prior[shares == 0] == 0).all() and (found.offsets[shares == 0] == 0).all()
    assert 0 <= found.strength <= 1
    rows, columns = rng.permutation(n), rng.permutation(K)
    other = adapt_to_client(scores[rows][:, columns], shares[columns])
    np.testing.assert_allclose(other.prior, found.prior[columns], atol=1e-6)
    np.testing.assert_allclose(other.offsets, found.offsets[columns], atol=1e-4)
    applied = found.apply(scores)
    np.testing.assert_allclose(np.exp(applied).sum(axis=1), np.ones(n), atol=1e-9)
    # logits and probabilities of any scale of rows are the same scores
    again = adapt_to_client(scores + rng.standard_normal((n, 1)), 7 * shares)
    np.testing.assert_allclose(again.prior, found.prior, atol=1e-6)


def test_little_to_go_by() -> None:
    w = np.array([0.25, 0.75])
    assert np.array_equal(adapt_to_client(np.zeros((0, 2)), w).prior, w)  # nothing
    assert np.array_equal(adapt_to_client([], w).apply([[0.0, 0.0]]), np.log([[0.5, 0.5]]))
    one = adapt_to_client([[0.0, -5.0]], w)
    assert np.array_equal(one.prior, w) and one.items == 1  # one item has no shape
    same = adapt_to_client(np.tile(np.log(w), (50, 1)), w)  # a model that knows nothing but the shares
    np.testing.assert_allclose(same.prior, w, atol=1e-9)
    np.testing.assert_allclose(same.offsets, 0, atol=1e-9)
    alone = adapt_to_client([[0.0], [0.0]], [3])  # one class
    assert alone.prior.tolist() == [1] and alone.apply([[0.0]]).tolist() == [[0]]


def test_impossible_classes() -> None:
    """−∞ is a probability of zero: allowed, and it stays the least likely."""
    scores = np.array([[0.0, -np.inf, -np.inf]] * 30 + [[-np.inf, -0.7, -0.7]] * 2)
    found = adapt_to_client(scores, [1, 1, 1])
    assert found.prior[0] > 0.6 and np.isfinite(found.apply(scores)).all()
    assert (found.apply(scores).argmax(axis=1)[:30] == 0).all()
    # a class that the training set has none of is left as it is
    found = adapt_to_client(scores, [1, 1, 0])
    assert found.prior[2] == 0 and found.offsets[2] == 0


@pytest.mark.parametrize(
    ("scores", "shares", "message"),
    [
        ([[0.0, np.nan]], [1, 1], r"1 of 1 items .* NaN .* row 0"),
        ([[0.0, -1.0], [0.0, np.inf]], [1, 1], r"1 of 2 items .* row 1"),
        ([[-np.inf, -np.inf]], [1, 1], "no possible class"),
        ([[0.0, -1.0, -2.0]], [1, 1], r"each of 2 classes; their shape is \(1, 3\)"),
        ([0.0, -1.0], [1, 1], "one row an item"),
        ([["a", "b"]], [1, 1], "must be numbers"),
        ([[0.0, -1.0]], [1, -1], "not negative"),
        ([[0.0, -1.0]], [0, 0], "not all zero"),
        ([[0.0, -1.0]], [1, np.nan], "finite"),
        ([[0.0, -1.0]], [[1, 1]], r"one number a class; their shape is \(1, 2\)"),
        ([[0.0, -1.0]], "ab", "must be numbers|one number a class"),
    ],
)
def test_what_is_refused(scores: object, shares: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        adapt_to_client(scores, shares)  # type: ignore[arg-type]


def test_stated_shares() -> None:
    found = state_shares([9, 1], [1, 1])
    np.testing.assert_allclose(np.exp(found.apply(np.log([[0.5, 0.5]]))), [[0.9, 0.1]])
    assert (found.strength, found.items) == (1, 0)
    gone = state_shares([1, 0], [1, 1])  # a class that the owner says is not there: unlikely, not impossible
    assert np.isfinite(gone.offsets).all() and gone.apply([[0.0, 3.0]]).argmax() == 0
    with pytest.raises(InvalidInput, match="3 class shares; the model has 2"):
        state_shares([1, 1, 1], [1, 1])
