import numpy as np
import pytest

from proxyset.cloud.select.kcenter import farthest_first
from proxyset.errors import InvalidInput


def slow_farthest_first(X, count, first):
    """The definition: every point meets every centre, in float64."""
    picks, row = [], first
    bounds = np.full(len(X), np.inf)
    for _ in range(count):
        picks.append(row)
        bounds = np.minimum(bounds, np.square(X - X[row]).sum(axis=1))
        free = np.setdiff1d(np.arange(len(X)), picks)
        row = int(free[bounds[free].argmax()]) if len(free) else -1
    return np.array(picks)


@pytest.mark.parametrize(
    ("n", "d", "count"),
    [(2, 2, 2), (3, 5, 1), (50, 3, 50), (1024, 2, 100), (1025, 8, 300), (6000, 4, 200), (20_000, 16, 300)],
)
def test_picks_are_those_of_the_naive_greedy(n, d, count):
    rng = np.random.default_rng([n, d, count])
    X = (rng.normal(size=(n, d)) * rng.uniform(0.1, 3, d) + 5).astype(np.float32)
    picks, distances = farthest_first(X, count, first=1)
    np.testing.assert_array_equal(picks, slow_farthest_first(X.astype(np.float64), count, 1))
    assert np.isinf(distances[0])
    for position in range(1, count, max(1, count // 7)):
        gap = np.sqrt(np.square(X[picks[:position]].astype(float) - X[picks[position]]).sum(axis=1)).min()
        assert distances[position] == pytest.approx(gap, rel=2e-3)


def test_one_point_far_out_makes_no_pick_another():
    """What float32 leaves of its squared norm is more than the distances between the others."""
    X = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)
    X[0] += 30
    expected = slow_farthest_first(X.astype(np.float64), 200, 1)
    np.testing.assert_array_equal(farthest_first(X, 200, first=1)[0], expected)


@pytest.mark.parametrize("values", [1, 2, 3])
def test_duplicates_come_last_and_no_row_comes_twice(values):
    rng = np.random.default_rng(values)
    X = rng.integers(0, values, (2000, 2)).astype(np.float32)
    picks, distances = farthest_first(X, len(X), first=7)
    assert sorted(picks) == list(range(len(X)))
    assert len(np.unique(X[picks[: len(np.unique(X, axis=0))]], axis=0)) == len(np.unique(X, axis=0))
    assert (distances[values**2 :] == 0).all()


def test_a_prefix_is_the_smaller_answer():
    X = np.random.default_rng(0).normal(size=(5000, 6)).astype(np.float32)
    np.testing.assert_array_equal(farthest_first(X, 200, first=3)[0][:50], farthest_first(X, 50, first=3)[0])


@pytest.mark.parametrize(("count", "first"), [(0, 0), (6, 0), (2, 5), (2, -1)])
def test_impossible_requests_are_refused(count, first):
    with pytest.raises(InvalidInput, match="of 5 points"):
        farthest_first(np.eye(5, dtype=np.float32), count, first=first)
