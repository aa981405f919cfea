"""Facility location: chosen items such that every weighted point has a similar one among them, by lazy greedy.

The objective Σᵢ wᵢ · max over chosen j of s(i, j) is monotone and submodular, so greedy is within 1 − 1/e of the best
(Nemhauser, Wolsey and Fisher 1978) and a gain computed earlier is an upper bound of the gain now (Minoux 1978): only
candidates whose bound is still the largest are computed again, a block at a time. Similarities of all pairs are kept only
where they are small; else a matrix product gives them when they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.rows import rows_of
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking
from proxyset.cloud.select.weighted_neighbours import fill
from proxyset.errors import InvalidInput

_POINTS, _CANDIDATES = 4096, 16_384  # samples of the pool
_KEPT_BYTES = 256 << 20
_FIRST_BLOCK, _BLOCK = 1024, 32  # candidates in one product: at first, and when bounds are renewed


def facility_location(
    X: NDArray[np.float32],
    candidates: NDArray[np.float32],
    count: int,
    *,
    width: float,
    weights: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The greedy order of `count` candidates for the similarity s(i, j) = exp(−‖xᵢ − cⱼ‖² / width²).

    Args:
        X: (n, d) float32, the points to be covered.
        candidates: (m, d) float32, what may be chosen.
        count: number of picks, 1 ≤ count ≤ m.
        width: distance at which a similarity has fallen to 1/e; > 0.
        weights: (n,) ≥ 0 of the points; None: all 1.

    Returns:
        picks: (count,) distinct row numbers of `candidates` in the order picked; of equal gains the lowest row wins, as
            far as float32 can tell them apart.
        gains: (count,) float64, what each pick added to the objective; they fall.

    Raises:
        InvalidInput: count or width is out of range.
    """
    if not 1 <= count <= len(candidates):
        raise InvalidInput(f"cannot pick {count} of {len(candidates)} candidates")
    if not width > 0:
        raise InvalidInput(f"the width of a similarity must be positive, not {width}")
    similar = _Similarity(X, candidates, width)
    w = np.ones(len(X), np.float32) if weights is None else weights.astype(np.float32)
    covered = np.zeros(len(X), np.float32)  # similarity of each point to the nearest pick
    bounds = np.empty(len(candidates))
    for start in range(0, len(candidates), _FIRST_BLOCK):
        rows: NDArray[np.intp] = np.arange(start, min(start + _FIRST_BLOCK, len(candidates)))
        bounds[rows] = similar(rows) @ w
    computed = np.zeros(len(candidates), np.intp)  # at how many picks the bound was the gain
    picks, gains = np.empty(count, np.intp), np.empty(count)
    for number in range(count):
        while computed[best := int(bounds.argmax())] < number:
            rows = _stale(bounds, computed, number)
            added = similar(rows)
            added -= covered
            bounds[rows] = np.maximum(added, 0, out=added) @ w
            computed[rows] = number
        picks[number], gains[number] = best, bounds[best]
        covered = np.maximum(covered, similar(np.array([best]))[0])
        bounds[best] = -1
    return picks, gains


def _stale(bounds: NDArray[np.float64], computed: NDArray[np.intp], number: int) -> NDArray[np.intp]:
    """Candidates with the largest bounds of those that could still win and were not computed since the last pick."""
    fresh = bounds[computed == number].max(initial=-1.0)
    rows = np.flatnonzero((bounds >= max(fresh, 0.0)) & (computed < number))
    if len(rows) <= _BLOCK:
        return rows
    return np.sort(rows[np.argpartition(-bounds[rows], _BLOCK)[:_BLOCK]])


class _Similarity:
    """exp(−‖x − c‖² / width²) of some candidates to all points: (k, n) float32."""

    def __init__(self, X: NDArray[np.float32], candidates: NDArray[np.float32], width: float) -> None:
        mean = X.mean(axis=0, dtype=np.float64)
        X, C = ((A - mean) / width for A in (X, candidates))
        # one product gives 2x·c − ‖x‖² − ‖c‖²
        x_norms, c_norms = (np.einsum("ij,ij->i", A, A)[:, None] for A in (X, C))
        self._X = np.concatenate([2 * X, -x_norms, -np.ones_like(x_norms)], axis=1).astype(np.float32)
        self._C = np.concatenate([C, np.ones_like(c_norms), c_norms], axis=1).astype(np.float32)

        self._kept: NDArray[np.float32] | None = None
        if 4 * len(X) * len(C) <= _KEPT_BYTES:
            self._kept = np.empty((len(C), len(X)), np.float32)
            for start in range(0, len(C), _FIRST_BLOCK):
                self._kept[start : start + _FIRST_BLOCK] = self._computed(slice(start, start + _FIRST_BLOCK))

    def __call__(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return self._computed(rows) if self._kept is None else self._kept[rows]

    def _computed(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        exponents: NDArray[np.float32] = self._C[rows] @ self._X.T
        np.minimum(exponents, 0, out=exponents)
        np.exp(exponents, out=exponents)
        return exponents


@dataclass(frozen=True)
class FacilityLocation:
    """Items that together stand for the private data as the counts describe it: every cluster weighs its noisy count.

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
        points = _drawn(candidates, counts, _POINTS, rng)
        pool = _drawn(candidates, counts, max(_CANDIDATES, 2 * budget), rng)
        X = rows_of(candidates.Z, points)
        offset = X - candidates.centroids[candidates.clusters[points]]
        width = float(np.sqrt(np.einsum("ij,ij->", offset, offset, dtype=np.float64) / len(X))) or 1.0
        picks, gains = facility_location(X, rows_of(candidates.Z, pool), min(budget, len(pool)), width=width)
        ranking = Ranking(pool[picks], gains / len(X), ["represents"] * len(picks))
        return fill(candidates, ranking, budget)


def _drawn(
    candidates: Candidates, counts: NDArray[np.float64], size: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Distinct rows, sorted: of each cluster its share of `size`, at random, or all it has."""
    shares = np.minimum(np.ceil(size * counts / counts.sum()).astype(np.intp), candidates.sizes)
    parts = [
        rng.choice(candidates.members(int(j)), int(shares[j]), replace=False) for j in np.flatnonzero(shares)
    ]
    return np.sort(np.concatenate(parts))
