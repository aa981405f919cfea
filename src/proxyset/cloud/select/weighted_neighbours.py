"""Filling a budget cluster by cluster: proportional shares, a diverse subset inside each cluster, no near-duplicates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.allocation import allocate
from proxyset.cloud.select.kcenter import farthest_first
from proxyset.cloud.select.rows import rows_of
from proxyset.cloud.select.strategy import Candidates, Ranking

# Two items nearer than this share of the pool's root-mean-square spread are near-duplicates.
NEAR_DUPLICATE = 0.02


class WeightedNeighbours:
    """Draws a ranking in which every cluster's share of every prefix is in proportion to its score.

    Inside a cluster the item nearest to the centroid comes first, then farthest-first; the order is extended only as far
    as the budget asks. An item within `near_duplicate` of one already drawn from its cluster closes that cluster.
    """

    def __init__(self, candidates: Candidates, near_duplicate: float = NEAR_DUPLICATE) -> None:
        self._candidates = candidates
        self._near = near_duplicate
        self._capacities = candidates.sizes.copy()
        self._orders: dict[int, NDArray[np.intp]] = {}

    def draw(self, shares: NDArray[np.floating], budget: int) -> Ranking:
        """Rank up to `budget` items of the clusters with a positive share; fewer when those run out.

        Args:
            shares: (R,) score of each cluster, in any unit; it becomes the score of the cluster's items.
        """
        while True:
            turns = allocate(shares, self._capacities, budget)
            wanted = np.bincount(turns, minlength=len(shares))
            if not [j for j in np.flatnonzero(wanted) if self._closes(int(j), int(wanted[j]))]:
                break
        drawn = np.zeros(len(shares), np.intp)
        rows = np.empty(len(turns), np.intp)
        for rank, j in enumerate(turns):
            rows[rank] = self._orders[int(j)][drawn[j]]
            drawn[j] += 1
        return Ranking(rows, shares[turns].astype(np.float64), ["covered"] * len(rows))

    def _closes(self, cluster: int, count: int) -> bool:
        """Extend a cluster's order to `count` items; True when a near-duplicate closed it before that."""
        if len(self._orders.get(cluster, ())) >= count:
            return False
        members = self._candidates.members(cluster)
        Z = rows_of(self._candidates.Z, members)
        offset = Z - self._candidates.centroids[cluster]
        first = int(np.einsum("ij,ij->i", offset, offset).argmin())
        # asking for half as many again spares most of the later extensions
        picks, gaps = farthest_first(Z, min(len(Z), count + count // 2), first=first)
        distinct = int((gaps > self._near).sum())  # gaps never grow, so near-duplicates are a tail
        self._orders[cluster] = members[picks[:distinct]]
        if distinct >= count:
            return False
        self._capacities[cluster] = distinct
        return True


def fill(candidates: Candidates, ranking: Ranking, budget: int) -> Ranking:
    """Complete a ranking to `budget` rows with what it left: distinct items evenly over clusters, then the rest in order.

    The rows added have score 0 and the reason "fill".
    """
    missing = budget - len(ranking.rows)
    if missing <= 0:
        return ranking
    taken = np.zeros(len(candidates), bool)
    taken[ranking.rows] = True
    untouched = np.bincount(candidates.clusters[ranking.rows], minlength=len(candidates.sizes)) == 0
    even = WeightedNeighbours(candidates).draw(untouched.astype(np.float64), missing).rows
    taken[even] = True
    rest = np.flatnonzero(~taken)[: missing - len(even)]
    return Ranking(
        np.concatenate([ranking.rows, even, rest]),
        np.concatenate([ranking.scores, np.zeros(missing)]),
        [*ranking.reasons, *["fill"] * missing],
    )
