import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.cloud.select.facility import representatives
from proxyset.errors import InvalidInput


def slow_representatives(X, weights, count):
    """The definition: every row's gain, anew for every pick, in float64."""
    distances = np.sqrt(np.square(X[:, None] - X[None]).sum(axis=2))
    nearest, picks = np.full(len(X), distances.max()), []
    while len(picks) < count:
        gains = (weights * np.maximum(nearest[:, None] - distances, 0).T).sum(axis=1)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        nearest = np.minimum(nearest, distances[picks[-1]])
    return picks


@pytest.mark.parametrize(("m", "d", "count"), [(1, 1, 1), (2, 3, 2), (40, 2, 40), (120, 5, 60)])
def test_picks_are_those_of_the_plain_greedy(m, d, count):
    rng = np.random.default_rng([m, d])
    X = rng.normal(size=(m, d)).astype(np.float32) + 7
    weights = np.exp(rng.normal(size=m))
    picks = representatives(X, weights, count)
    # near the end gains differ by less than float32 can tell
    assert picks[: m // 2].tolist() == slow_representatives(X.astype(float), weights, count)[: m // 2]
    assert len(np.unique(picks)) == count


@given(st.integers(1, 30), st.integers(0, 3), st.integers(0, 1000), st.data())
def test_any_count_gives_distinct_rows_and_prefixes_agree(m, values, seed, data):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, values + 1, (m, 2)).astype(np.float32)  # full of duplicates
    weights = rng.integers(0, 3, m).astype(float)  # may all be 0
    small, large = sorted((data.draw(st.integers(0, m)), data.draw(st.integers(0, m))))
    picks = representatives(X, weights, large)
    assert len(np.unique(picks)) == large
    assert picks[:small].tolist() == representatives(X, weights, small).tolist()


def test_mass_wins_over_outliers():
    rng = np.random.default_rng(0)
    crowd = rng.normal(size=(50, 2)) * 0.1
    X = np.concatenate([crowd, crowd + 3, [[40, 40]]]).astype(np.float32)
    assert 100 not in representatives(X, np.ones(101), 2)
    heavy = np.ones(101)
    heavy[100] = 1000
    assert representatives(X, heavy, 1).tolist() == [100]


@pytest.mark.parametrize("count", [-1, 4])
def test_impossible_counts_are_refused(count):
    with pytest.raises(InvalidInput, match="of 3 points"):
        representatives(np.eye(3, dtype=np.float32), np.ones(3), count)
