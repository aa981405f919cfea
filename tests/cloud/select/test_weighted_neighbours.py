import numpy as np
import pytest

from proxyset.cloud.select import weighted_neighbours
from proxyset.cloud.select.allocation import allocate
from proxyset.cloud.select.strategy import Candidates
from proxyset.cloud.select.weighted_neighbours import WeightedNeighbours

SHARES = np.array([5.0, 1.0, 0.0, 3.0])


def pool(splits=()):
    rng = np.random.default_rng(0)
    clusters = rng.choice(4, 3000, p=[0.7, 0.1, 0.1, 0.1]).astype(np.int32)
    centroids = rng.normal(size=(4, 6)).astype(np.float32) * 9
    Z = centroids[clusters] + rng.normal(size=(3000, 6)).astype(np.float32)
    Z[clusters == 3] = centroids[3]  # a cluster of one item, again and again
    return Candidates(Z, clusters, centroids, splits=splits)


@pytest.mark.parametrize("budget", [1, 30, 200, 2500])
def test_of_large_clusters_some_rows_are_looked_at(budget, monkeypatch):
    whole = WeightedNeighbours(pool()).draw(SHARES, budget)
    monkeypatch.setattr(weighted_neighbours, "_LOOKED_AT", 0)
    monkeypatch.setattr(weighted_neighbours, "_FOR_EACH", 2)
    held = []
    spread = Candidates.spread
    monkeypatch.setattr(
        Candidates, "spread", lambda self, each: held.append(found := spread(self, each)) or found
    )
    few = WeightedNeighbours(pool()).draw(SHARES, budget)
    split = WeightedNeighbours(pool((7, 1000, 2999))).draw(SHARES, budget)
    np.testing.assert_array_equal(few.rows, split.rows)
    assert len(np.unique(few.rows)) == len(whole.rows)
    np.testing.assert_array_equal(pool().clusters[few.rows], pool().clusters[whole.rows])
    assert all(len(rows.rows) <= 4 * budget + 4 for rows in held)


def test_where_all_rows_are_looked_at_shares_are_as_allocated():
    capacities = pool().sizes.copy()
    capacities[3] = 1  # the rest are near-duplicates
    found = WeightedNeighbours(pool()).draw(SHARES, 300)
    np.testing.assert_array_equal(pool().clusters[found.rows], allocate(SHARES, capacities, 300))
