"""The paper's rule (Hong et al., NeurIPS 2022): weighted neighbour sampling on the noisy coverage scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking
from proxyset.cloud.select.weighted_neighbours import NEAR_DUPLICATE, WeightedNeighbours, fill
from proxyset.errors import InvalidInput


@dataclass(frozen=True)
class Ecos:
    """Drop clusters with a low score, spread the budget over the rest in proportion, pick a diverse subset in each.

    The paper's text gives neither its threshold nor its near-duplicate distance; these two are ours. Scores are the
    cluster's share of all counts kept, 0 for items that only fill the budget.

    Attributes:
        threshold: a cluster is dropped when its noisy count is at most this. 0 drops what noise made negative; a
            harder cut lost accuracy in early trials; it is not measured in this repository.
        near_duplicate: in units of the pool's spread.
    """

    threshold: float = 0.0
    near_duplicate: float = NEAR_DUPLICATE
    name: str = "ecos"
    needs_release: bool = True

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        if coverage is None:
            raise InvalidInput("the strategy 'ecos' needs a release")
        kept = np.where((coverage.counts > self.threshold) & (candidates.sizes > 0), coverage.counts, 0.0)
        kept = np.maximum(kept, 0.0)
        shares = kept / kept.sum() if kept.any() else kept
        ranking = WeightedNeighbours(candidates, self.near_duplicate).draw(shares, budget)
        return fill(candidates, ranking, budget)
