"""The facility-location strategy: items that together stand for the private data as the counts describe it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.draw import draw_of_clusters
from proxyset.cloud.select.facility import facility_location
from proxyset.cloud.select.parts import Rows
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking
from proxyset.cloud.select.weighted_neighbours import fill
from proxyset.errors import InvalidInput

_POINTS, _CANDIDATES = 4096, 16_384  # samples of the pool


@dataclass(frozen=True)
class FacilityLocation:
    """Greedy facility location where every cluster weighs its noisy count.

    A sample of the pool, drawn in proportion to max(count, 0) / size of each item's cluster, stands for the private data;
    a second one holds the candidates. The width of a similarity is the root-mean-square distance of the first sample to
    its centroids. Scores are gains as a share of the sample's size, 0 for items that only fill the budget.
    """

    name: str = "facility-location"
    needs_release: bool = True

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        if coverage is None:
            raise InvalidInput("the strategy 'facility-location' needs a release")
        counts = np.where(candidates.sizes > 0, np.maximum(coverage.counts, 0.0), 0.0)
        if not counts.any():
            counts = candidates.sizes.astype(np.float64)
        one, other = rng.spawn(2)
        points = _drawn(candidates, counts, _POINTS, one)
        pool = _drawn(candidates, counts, max(_CANDIDATES, 2 * budget), other)
        offset = points.Z - candidates.centroids[points.clusters]
        width = float(np.sqrt(np.einsum("ij,ij->", offset, offset, dtype=np.float64) / len(offset))) or 1.0
        picks, gains = facility_location(points.Z, pool.Z, min(budget, len(pool.Z)), width=width)
        ranking = Ranking(pool.rows[picks], gains / len(points.Z), ["represents"] * len(picks))
        return fill(candidates, ranking, budget)


def _drawn(candidates: Candidates, counts: NDArray[np.float64], size: int, rng: np.random.Generator) -> Rows:
    """Distinct rows, in order: of each cluster its share of `size`, at random, or all it has."""
    shares = np.minimum(np.ceil(size * counts / counts.sum()).astype(np.intp), candidates.sizes)
    return candidates.take(draw_of_clusters(candidates, shares, rng))
