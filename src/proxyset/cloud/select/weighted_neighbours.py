"""Filling a budget cluster by cluster: proportional shares, a diverse subset inside each cluster, no near-duplicates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.allocation import allocate
from proxyset.cloud.select.kcenter import farthest_first
from proxyset.cloud.select.strategy import Candidates, Ranking

# Two items nearer than this share of the pool's root-mean-square spread are near-duplicates.
NEAR_DUPLICATE = 0.02


_LOOKED_AT = 1 << 19  # rows of all clusters together that are looked at, however small the budget is
_FOR_EACH = 32  # rows looked at for each one wanted


class WeightedNeighbours:
    """Draws a ranking in which every cluster's share of every prefix is in proportion to its score.

    Inside a cluster the item nearest to the centroid comes first, then farthest-first; the order is extended only as far
    as the budget asks. An item within `near_duplicate` of one already drawn from its cluster closes that cluster.

    Of a cluster of very many rows, some are looked at, evenly over the pool's order: 32 for each one wanted, and no fewer than
    524,288 of all clusters. So what is held grows with the budget and not with the pool.
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
        self._each: NDArray[np.int64] = np.zeros(len(shares), np.int64)
        while True:
            turns = allocate(shares, self._capacities, budget)
            wanted = np.bincount(turns, minlength=len(shares))
            self._look(wanted)
            if not [j for j in np.flatnonzero(wanted) if self._closes(int(j), int(wanted[j]))]:
                break
        drawn = np.zeros(len(shares), np.intp)
        rows = np.empty(len(turns), np.intp)
        for rank, j in enumerate(turns):
            rows[rank] = self._orders[int(j)][drawn[j]]
            drawn[j] += 1
        return Ranking(rows, shares[turns].astype(np.float64), ["covered"] * len(rows))

    def _look(self, wanted: NDArray[np.intp]) -> None:
        """Take rows of the clusters of which more are wanted than were looked at for."""
        more = wanted > np.where(self._each < self._candidates.sizes, self._each // 2, self._each)
        if not more.any():
            return
        least = _LOOKED_AT // int((wanted > 0).sum())
        each = np.maximum(np.maximum(self._each, least), _FOR_EACH * wanted)
        self._each = np.where(wanted > 0, each, 0)
        self._rows = self._candidates.spread(self._each)
        self._orders = {}

    def _closes(self, cluster: int, count: int) -> bool:
        """Extend a cluster's order to `count` items; True when a near-duplicate closed it before that."""
        if len(self._orders.get(cluster, ())) >= count:
            return False
        start, stop = np.searchsorted(self._rows.clusters, [cluster, cluster + 1])
        Z = self._rows.Z[start:stop]
        offset = Z - self._candidates.centroids[cluster]
        first = int(np.einsum("ij,ij->i", offset, offset).argmin())
        # asking for half as many again spares most of the later extensions
        picks, gaps = farthest_first(Z, min(len(Z), count + count // 2), first=first)
        distinct = int((gaps > self._near).sum())  # gaps never grow, so near-duplicates are a tail
        self._orders[cluster] = self._rows.rows[start:stop][picks[:distinct]]
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
    untouched = candidates.sizes > 0
    untouched[candidates.clusters_of(ranking.rows)] = False
    even = WeightedNeighbours(candidates).draw(untouched.astype(np.float64), missing).rows
    taken = np.concatenate([ranking.rows, even])
    rest = np.setdiff1d(np.arange(min(len(candidates), budget)), taken)[: budget - len(taken)]
    return Ranking(
        np.concatenate([taken, rest]),
        np.concatenate([ranking.scores, np.zeros(missing)]),
        [*ranking.reasons, *["fill"] * missing],
    )
