import numpy as np
import pytest

from proxyset.cloud.select import STRATEGIES
from proxyset.cloud.select.facility import facility_location
from proxyset.cloud.select.strategy import Candidates, Coverage
from proxyset.errors import InvalidInput


def slow_greedy(X, C, count, width):
    S = np.exp(-np.square(X[:, None].astype(float) - C).sum(axis=2) / width**2)
    covered, picks = np.zeros(len(X)), []
    for _ in range(count):
        gains = np.maximum(S - covered[:, None], 0).sum(axis=0)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        covered = np.maximum(covered, S[:, picks[-1]])
    return picks, covered.sum()


@pytest.mark.parametrize("kept", [0, 1 << 20])
@pytest.mark.parametrize(("n", "m", "d", "count"), [(1, 1, 1, 1), (50, 40, 3, 40), (300, 200, 8, 60)])
def test_picks_are_those_of_the_plain_greedy(n, m, d, count, kept, monkeypatch):
    monkeypatch.setattr("proxyset.cloud.select.facility._KEPT_BYTES", kept)
    rng = np.random.default_rng([n, m])
    X, C = (rng.normal(size=(k, d)).astype(np.float32) + 3 for k in (n, m))
    picks, gains = facility_location(X, C, count, width=2.0)
    expected, objective = slow_greedy(X, C, count, 2.0)
    assert len(np.unique(picks)) == count
    assert gains.sum() == pytest.approx(objective, rel=1e-4)
    sure = gains > 1e-3 * gains[0]  # later ones differ by less than float32 can tell
    np.testing.assert_array_equal(picks[sure], np.array(expected)[sure])
    assert (np.diff(gains) <= 1e-4 * gains[0]).all()


@pytest.mark.parametrize(("count", "width"), [(0, 1.0), (6, 1.0), (2, 0.0)])
def test_impossible_requests_are_refused(count, width):
    with pytest.raises(InvalidInput):
        facility_location(np.eye(5, dtype=np.float32), np.eye(5, dtype=np.float32), count, width=width)


@pytest.mark.parametrize("budget", [1, 30, 500])
@pytest.mark.parametrize("counts", [[50.0, 0, 0, 5], [-3.0, -1, -2, -9]])
def test_the_strategy_follows_the_counts(counts, budget):
    rng = np.random.default_rng(0)
    clusters = np.sort(rng.integers(4, size=500)).astype(np.int32)
    centroids = rng.normal(size=(4, 6)).astype(np.float32) * 5
    Z = centroids[clusters] + rng.normal(size=(500, 6)).astype(np.float32)
    coverage = Coverage(np.array(counts), 1.0)
    ranking = STRATEGIES.find("facility-location").rank(
        Candidates(Z, clusters, centroids), coverage, budget, np.random.default_rng(1)
    )
    assert len(np.unique(ranking.rows)) == budget
    if counts[0] > 0 and budget == 30:
        assert set(clusters[ranking.rows]) <= {0, 3}
