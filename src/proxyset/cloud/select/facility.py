"""Greedy facility location: picks such that every weighted point has a similar one among them.

The objective Σᵢ wᵢ · max over chosen j of s(i, j) is monotone and submodular, so greedy is within 1 − 1/e of the best
(Nemhauser, Wolsey and Fisher 1978) and a gain computed earlier is an upper bound of the gain now (Minoux 1978): only
candidates whose bound is still the largest are computed again, a block at a time. Unlike k-center it follows the mass of
the points and not the outliers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput

_KEPT_BYTES = 256 << 20  # similarities of all pairs are kept up to this; above, products give them again
_FIRST_BLOCK, _BLOCK = 1024, 32  # candidates in one product: at first, and when bounds are renewed


def facility_location(
    X: NDArray[np.float32],
    candidates: NDArray[np.float32],
    count: int,
    *,
    width: float,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The greedy order of `count` candidates for the similarity s(i, j) = exp(−‖xᵢ − cⱼ‖² / width²).

    Args:
        X: (n, d) float32, the points to be covered.
        candidates: (m, d) float32, what may be chosen.
        count: number of picks, 1 ≤ count ≤ m.
        width: distance at which a similarity has fallen to 1/e; > 0.

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
    each = np.ones(len(X), np.float32)
    return _lazy_greedy(_Similarity(X, candidates, width), len(candidates), count, each)


def representatives(
    X: NDArray[np.float32],
    weights: NDArray[np.floating],
    count: int,
    nearest: NDArray[np.float32] | None = None,
) -> NDArray[np.intp]:
    """The greedy order of `count` rows of `X` for the similarity far − ‖xᵢ − xⱼ‖, far the largest of all distances.

    So the weighted mean distance to the nearest pick falls as fast as possible. Every prefix is the answer to a smaller
    count.

    Args:
        X: (m, d) float32. An m × m matrix of float32 is held in memory: at most some thousands of points.
        weights: (m,) ≥ 0.
        count: number of picks, 0 ≤ count ≤ m.
        nearest: (m,) distance of each row to what was picked before, if anything was.

    Returns:
        (count,) distinct row numbers; rows that add nothing come last.

    Raises:
        InvalidInput: count is out of range.
    """
    if not 0 <= count <= len(X):
        raise InvalidInput(f"cannot choose {count} representatives of {len(X)} points")
    if count == 0:
        return np.empty(0, np.intp)
    distances = _distances(X)
    far = distances.max()
    covered = None if nearest is None else np.maximum(far - nearest, 0).astype(np.float32)
    similarities = np.subtract(far, distances, out=distances)
    share = np.asarray(weights / max(float(weights.sum()), 1e-300), np.float32)
    return _lazy_greedy(similarities.__getitem__, len(X), count, share, covered)[0]


def _lazy_greedy(
    similar: Callable[[NDArray[np.intp]], NDArray[np.float32]],
    candidates: int,
    count: int,
    weights: NDArray[np.float32],
    covered: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Picks and their gains; `similar` gives, as an array of its own, the similarities ≥ 0 of candidates to all points.

    `covered` is the similarity of each point to the nearest pick: at first to those that were made before, if any.
    """
    if covered is None:
        covered = np.zeros(len(weights), np.float32)
    bounds = np.empty(candidates)
    for start in range(0, candidates, _FIRST_BLOCK):
        rows: NDArray[np.intp] = np.arange(start, min(start + _FIRST_BLOCK, candidates))
        bounds[rows] = np.maximum(similar(rows) - covered, 0) @ weights
    computed = np.zeros(candidates, np.intp)  # at how many picks the bound was the gain
    picks, gains = np.empty(count, np.intp), np.empty(count)
    for number in range(count):
        while computed[best := int(bounds.argmax())] < number:
            stale = _stale(bounds, computed, number)
            added = similar(stale)
            added -= covered
            bounds[stale] = np.maximum(added, 0, out=added) @ weights
            computed[stale] = number
        picks[number], gains[number] = best, bounds[best]
        covered = np.maximum(covered, similar(np.array([best]))[0])
        bounds[best] = -1
    return picks, gains


def _stale(bounds: NDArray[np.float64], computed: NDArray[np.intp], number: int) -> NDArray[np.intp]:
    """Candidates with the largest bounds of those that could still win and were not computed since the last pick."""
    fresh = bounds[computed == number].max(initial=-1.0)
    rows: NDArray[np.intp] = np.flatnonzero((bounds >= max(fresh, 0.0)) & (computed < number))
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


def _distances(X: NDArray[np.float32]) -> NDArray[np.float32]:
    X = X - X.mean(axis=0, dtype=np.float64).astype(np.float32)
    norms = np.einsum("ij,ij->i", X, X)
    squared = X @ X.T
    squared *= -2
    squared += norms
    squared += norms[:, None]
    np.maximum(squared, 0, out=squared)
    np.fill_diagonal(squared, 0)
    np.sqrt(squared, out=squared)
    return squared
