"""Our own rule: be near to the client's items, by the density ratio that its release tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.distances import nearest_distance
from proxyset.cloud.select.draw import Weighing, draw
from proxyset.cloud.select.facility import representatives
from proxyset.cloud.select.parts import Block
from proxyset.cloud.select.ratio_model import density_model
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking
from proxyset.errors import InvalidInput

_LEAST = 1500  # candidates drawn however small the budget is
_TOGETHER = 6000  # candidates weighed against each other at once; more are split at random


@dataclass(frozen=True)
class DensityRatio:
    """The paper's proximity, with the private items replaced by the pool's, reweighted.

    What selection would like to make small is the mean distance of a private item to the proxy set S,
    Δ(S, D_p) = E_{x ∈ D_p} min_{s ∈ S} ‖x − s‖ (method of Hong et al. 2022, after MAK). The cloud has no
    private item, but with w(z) the density ratio of client to pool, Δ ≈ Σ_i w(z_i)·min_s ‖z_i − s‖ / Σ_i
    w(z_i) over the pool.

    1. `density_model` estimates log w of every item; where the release says nothing it is flat.
    2. max(1500, oversampling · budget) items are drawn without replacement with probability ∝ √w. They are
       the items that may be chosen and the items to be near to; √w holds both enough of the client's kind
       and enough of the rest.
    3. Each has the weight √w, so that together the draw stands for w. Where it comes to hold nearly all that
       is of the client's kind it cannot hold more, and stands for less than w, down to √w: deliberately so,
       as the estimate is least sure of how pure its best region is.
    4. Greedy facility location ranks them (`representatives`): what is chosen has others of its kind around
       it, and a second item at the same place gains nothing, which takes the place of a near-duplicate rule.

    Where only a part of the pool may be chosen, the ratio is still that of the whole pool, which the counts are about. Items that
    were chosen before count as picked.

    With a flat ratio this is k-medians of the pool: representative as a random sample is, and more even.
    Scores are log w, up to a constant.

    Attributes:
        oversampling: candidates drawn for each item kept.
    """

    oversampling: float = 3.0
    name: str = "density-ratio"
    needs_release: bool = True

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        if coverage is None:
            raise InvalidInput(f"the strategy {self.name!r} needs a release")
        count = min(len(candidates), max(_LEAST, int(self.oversampling * budget)))
        ratio = self.log_ratio(candidates.whole, coverage)
        drawn = draw(candidates, Halved(ratio), count, rng)
        nearest = None
        if candidates.chosen is not None:
            nearest = nearest_distance(drawn.Z, candidates.chosen)
        logs = drawn.log_weights
        picks = _rank(drawn.Z, np.exp(logs - logs.max()), budget, nearest)
        return Ranking(drawn.rows[picks], 2 * logs[picks], ["density"] * budget)

    def log_ratio(self, candidates: Candidates, coverage: Coverage) -> Weighing:
        """log w of an item. (The benchmark's ablation puts others here.)"""
        return density_model(candidates, coverage)


@dataclass(frozen=True)
class Halved:
    """Half of what another function of a block gives."""

    ratio: Weighing

    def __call__(self, block: Block) -> NDArray[np.float64]:
        return self.ratio(block) / 2


def _rank(
    Z: NDArray[np.float32],
    weights: NDArray[np.float64],
    budget: int,
    nearest: NDArray[np.float32] | None,
) -> NDArray[np.intp]:
    """Representatives; of random parts, in turns, where there are too many items for one matrix."""
    parts = -(-len(Z) // _TOGETHER)
    orders = []
    for part in range(parts):
        rows = np.arange(part, len(Z), parts)  # candidates are in random order
        near = None if nearest is None else nearest[rows]
        picks = representatives(Z[rows], weights[rows], len(range(part, budget, parts)), near)
        orders.append(rows[picks])
    ranking = np.empty(budget, np.intp)
    for part, order in enumerate(orders):
        ranking[part::parts] = order
    return ranking
