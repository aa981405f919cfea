"""Selections that ask the client nothing: what any rule with a release must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxyset.cloud.select.draw import draw_evenly
from proxyset.cloud.select.kcenter_parts import farthest_of_parts
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking
from proxyset.cloud.select.weighted_neighbours import WeightedNeighbours, fill


@dataclass(frozen=True)
class Random:
    """Uniformly at random, without replacement. Scores are 0."""

    name: str = "random"
    needs_release: bool = False

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        rows = draw_evenly(len(candidates), budget, rng)
        return Ranking(rows, np.zeros(budget), ["random"] * budget)


@dataclass(frozen=True)
class KCenter:
    """Exact greedy k-center over the whole pool, from a random first item.

    Scores are the distance to the items picked before, in units of the pool's spread; the first item has the score of
    the second.
    """

    name: str = "k-center"
    needs_release: bool = False

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        rows, gaps = farthest_of_parts(candidates, budget, int(rng.integers(len(candidates))))
        scores = gaps.astype(np.float64)
        scores[0] = scores[1] if budget > 1 else 0.0
        return Ranking(rows, scores, ["farthest"] * budget)


@dataclass(frozen=True)
class UniformCluster:
    """The same number of items from every cluster, a diverse subset in each. Scores are 1 / R."""

    name: str = "uniform-cluster"
    needs_release: bool = False

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        shares = (candidates.sizes > 0) / len(candidates.sizes)
        return fill(candidates, WeightedNeighbours(candidates).draw(shares, budget), budget)
