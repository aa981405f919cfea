"""The default rule with one part taken out, to see what each contributes: `benchmarks/ablation.toml` names these classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.density_ratio import DensityRatio
from proxyset.cloud.select.draw import Weighing, draw
from proxyset.cloud.select.parts import Block
from proxyset.cloud.select.ratio_model import density_model, log_density_ratio
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking
from proxyset.errors import InvalidInput


@dataclass(frozen=True)
class _OfClusters:
    """What an item weighs by its cluster alone."""

    logs: NDArray[np.float64]

    def __call__(self, block: Block) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.logs[block.clusters]
        return found


@dataclass(frozen=True)
class NoRelease(DensityRatio):
    """Flat scores: what remains is greedy facility location over a random part of the pool."""

    name: str = "no-release"

    def log_ratio(self, candidates: Candidates, coverage: Coverage) -> Weighing:
        return _OfClusters(np.zeros(len(coverage.counts)))


@dataclass(frozen=True)
class RawCounts(DensityRatio):
    """No model: an item's weight is its cluster's noisy count over its size, at least half a record."""

    name: str = "raw-counts"

    def log_ratio(self, candidates: Candidates, coverage: Coverage) -> Weighing:
        return _OfClusters(np.log(np.maximum(coverage.counts, 0.5) / np.maximum(candidates.sizes, 1)))


@dataclass(frozen=True)
class PerCluster(DensityRatio):
    """The model's mean weight in each cluster, so that items of one cluster are alike."""

    name: str = "per-cluster"

    def log_ratio(self, candidates: Candidates, coverage: Coverage) -> Weighing:
        ratio = np.concatenate(list(log_density_ratio(candidates, coverage)))
        sums = np.bincount(candidates.clusters, np.exp(ratio - ratio.max()), minlength=len(candidates.sizes))
        return _OfClusters(np.log(np.maximum(sums / np.maximum(candidates.sizes, 1), 1e-12)))


@dataclass(frozen=True)
class DrawOnly:
    """The model, and items drawn by it: no facility location."""

    name: str = "draw-only"
    needs_release: bool = True

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        if coverage is None:
            raise InvalidInput(f"the strategy {self.name!r} needs a release")
        drawn = draw(candidates, density_model(candidates.whole, coverage), budget, rng)
        return Ranking(drawn.rows, drawn.log_weights, ["drawn"] * budget)
