import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from proxyset.errors import InvalidInput
from proxyset.train.evaluate import evaluate, predict, wilson
from proxyset.train.models import build_model


def probabilities(n, K, seed):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(K, 0.5), n)
    return P, rng.integers(0, K, n)


@pytest.mark.parametrize(("n", "K"), [(1, 2), (7, 2), (300, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_everything_equals_the_slow_reference(n, K, seed):
    P, y = probabilities(n, K, seed)
    found = evaluate(P, y)
    guesses = [row.tolist().index(max(row)) for row in P]
    right = [guess == label for guess, label in zip(guesses, y, strict=True)]
    assert found.accuracy == pytest.approx(sum(right) / n)
    recalls = []
    for label in range(K):
        mine = [r for r, truth in zip(right, y, strict=True) if truth == label]
        if mine:
            recalls.append(sum(mine) / len(mine))
        for guess in range(K):
            count = sum(t == label and g == guess for t, g in zip(y, guesses, strict=True))
            assert found.confusion[label, guess] == count
    assert found.balanced_accuracy == pytest.approx(sum(recalls) / len(recalls))
    error = 0.0
    for number, shown in enumerate(found.bins):
        inside = [i for i in range(n) if number / 10 < max(P[i]) <= (number + 1) / 10]
        assert shown.items == len(inside)
        if inside:
            sure = sum(max(P[i]) for i in inside) / len(inside)
            good = sum(right[i] for i in inside) / len(inside)
            assert (shown.confidence, shown.accuracy) == pytest.approx((sure, good))
            error += len(inside) / n * abs(sure - good)
    assert found.calibration_error == pytest.approx(error)


@given(items=st.integers(1, 2000), share=st.floats(0, 1))
def test_the_interval_holds_the_share_and_solves_wilson(items, share):
    right = round(share * items)
    low, high = wilson(right, items)
    assert 0 <= low <= right / items + 1e-12
    assert right / items - 1e-12 <= high <= 1
    for end in (low, high):  # (p − end)² = z² end (1 − end) / n at both ends
        if 0 < end < 1:
            assert (right / items - end) ** 2 == pytest.approx(
                1.959964**2 * end * (1 - end) / items, abs=1e-9
            )


def test_the_interval_covers_as_it_says():
    """Exact coverage at n = 100, averaged over p on a grid: no randomness, no false alarm."""
    from scipy.stats import binom

    intervals = [wilson(right, 100) for right in range(101)]
    covered = [
        sum(binom.pmf(right, 100, p) for right, (low, high) in enumerate(intervals) if low <= p <= high)
        for p in np.linspace(0.05, 0.95, 91)
    ]
    assert 0.945 < np.mean(covered) < 0.96


def test_predictions_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    model = build_model("cnn-4", 3, size=8).eval()
    items = np.random.default_rng(0).integers(0, 256, (11, 3, 8, 8), dtype=np.uint8)
    whole = predict(model, items)
    assert np.allclose(whole, predict(model, items, size=4), atol=1e-6)
    assert np.allclose(whole.sum(axis=1), 1, atol=1e-5)


def test_bad_input():
    P, y = probabilities(5, 3, 0)
    with pytest.raises(InvalidInput, match="there are 0 items"):
        evaluate(P[:0], y[:0])
    with pytest.raises(InvalidInput, match=r"0…2; they reach 3…3"):
        evaluate(P, np.full(5, 3))
    with pytest.raises(InvalidInput, match="5 items and 4 labels"):
        evaluate(P, y[:4])
