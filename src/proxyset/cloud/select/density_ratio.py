"""Our own rule: be near to the client's items, by the density ratio that its release tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.distances import nearest_distance
from proxyset.cloud.select.facility import representatives
from proxyset.cloud.select.ratio_model import log_density_ratio
from proxyset.cloud.select.rows import rows_of
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

    1. `log_density_ratio` estimates log w of every item; where the release says nothing it is flat.
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
        ratios = self.log_ratio(candidates.whole or candidates, coverage)
        if candidates.rows is not None:
            ratios = _of_rows(ratios, candidates.rows)
        drawn, logs = draw((ratio / 2 for ratio in ratios), count, rng)
        Z = rows_of(candidates.Z, drawn)
        nearest = None
        if candidates.chosen is not None and len(candidates.chosen):
            nearest = nearest_distance(Z, candidates.chosen)
        picks = _rank(Z, np.exp(logs - logs.max()), budget, nearest)
        return Ranking(drawn[picks], 2 * logs[picks], ["density"] * budget)

    def log_ratio(self, candidates: Candidates, coverage: Coverage) -> Iterator[NDArray[np.float64]]:
        """log w of the items in order, a block at a time. (The benchmark's ablation puts others here.)"""
        return log_density_ratio(candidates, coverage)


def draw(
    log_weights: Iterable[NDArray[np.floating]], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows drawn one after another without replacement, with probability ∝ exp(log weight).

    By the Gumbel top-k trick (Kool, van Hoof and Welling 2019), in one pass that keeps `count` rows.

    Args:
        log_weights: of the rows in order, a block at a time; together at least `count`.
        count: rows to draw.
        rng: public randomness; how the rows are split into blocks does not matter.

    Returns:
        (count,) distinct row numbers in the order drawn, and (count,) float64 their log weights.
    """
    rows: NDArray[np.intp] = np.empty(0, np.intp)
    keys: NDArray[np.float64] = np.empty(0)
    values: NDArray[np.float64] = np.empty(0)
    start = 0
    for block in log_weights:
        rows = np.concatenate([rows, np.arange(start, start + len(block))])
        keys = np.concatenate([keys, block + rng.gumbel(size=len(block))])
        values = np.concatenate([values, block])
        if len(rows) > count:
            best = np.sort(np.argpartition(-keys, count - 1)[:count])
            rows, keys, values = rows[best], keys[best], values[best]
        start += len(block)
    order = np.argsort(-keys, kind="stable")
    return rows[order], values[order]


def _of_rows(blocks: Iterable[NDArray[np.float64]], rows: NDArray[np.intp]) -> Iterator[NDArray[np.float64]]:
    """The values of some rows, sorted, out of blocks of all."""
    start = 0
    for block in blocks:
        low, high = np.searchsorted(rows, [start, start + len(block)])
        yield block[rows[low:high] - start]
        start += len(block)


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
