import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from proxyset.errors import InvalidInput
from proxyset_lab.labels_saved import _inverse, isotonic, labels_saved

_values = st.lists(st.integers(0, 20), min_size=1, max_size=12)


@given(_values)
def test_isotonic_is_that_of_scikit_learn(values):
    y = np.array(values, float)
    expected = IsotonicRegression().fit_transform(np.arange(len(y)), y)
    np.testing.assert_allclose(isotonic(y), expected, atol=1e-9)


def _slow_inverse(x, curve, target):
    if target <= curve[0]:
        return x[0]
    for k in range(1, len(x)):
        if curve[k] >= target:
            share = (target - curve[k - 1]) / (curve[k] - curve[k - 1])
            return math.exp(math.log(x[k - 1]) + share * math.log(x[k] / x[k - 1]))
    return x[-1]


@given(_values, st.lists(st.integers(-3, 23), min_size=1))
def test_reading_a_curve_backwards(values, targets):
    x = 100.0 * 2 ** np.arange(len(values))
    curve = np.maximum.accumulate(np.array(values, float))
    found = _inverse(x, curve, np.array(targets, float))
    np.testing.assert_allclose(found, [_slow_inverse(x, curve, target) for target in targets])


def test_half_the_labels():
    budgets = [250, 500, 1000, 2000]
    rng = np.random.default_rng(0)
    level = lambda labels: 0.6 + 0.05 * np.log2(np.asarray(labels) / 250)  # noqa: E731
    runs = rng.normal(scale=0.02, size=(8, 1))  # a hard client is hard for both
    others = level(budgets) + runs + rng.normal(scale=0.002, size=(8, 4))
    ours = level(np.multiply(budgets, 2)) + runs + rng.normal(scale=0.002, size=(8, 4))
    first, second, third, last = labels_saved(budgets, ours, others)
    for found, needed in ((first, 500), (second, 1000), (third, 2000)):
        assert found.needed == pytest.approx(needed, rel=0.06)
        assert found.low <= found.needed <= found.high and found.high / found.low < 1.2
    assert first.saved == pytest.approx(250, rel=0.15) and first.where == "inside"
    assert (last.where, last.needed, last.high) == ("above", 2000, 2000) and "more than 2,000" in str(last)
    backwards = labels_saved(budgets, others, ours)
    assert backwards[0].where == "below" and backwards[0].saved == 0 and backwards[2].saved < 0


def test_one_run_has_no_interval():
    (found, *_) = labels_saved([10, 20], [[0.5, 0.7]], [[0.4, 0.6]])
    assert found.low == found.needed == found.high == pytest.approx(10 * 2**0.5)


@pytest.mark.parametrize(
    ("budgets", "ours", "others", "message"),
    [
        ([1, 2], [[0.1]], [[0.1, 0.2]], "shape"),
        ([2, 1], [[0.1, 0.2]], [[0.1, 0.2]], "increase"),
        ([1, 2], [[0.1, np.nan]], [[0.1, 0.2]], "1 of 2 accuracies"),
        ([1, 2], [[0.1, 0.2]] * 2, [[0.1, 0.2]], "2 runs of one method and 1"),
    ],
)
def test_what_does_not_fit(budgets, ours, others, message):
    with pytest.raises(InvalidInput, match=message):
        labels_saved(budgets, ours, others)
