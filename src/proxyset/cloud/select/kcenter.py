"""Exact greedy k-center (farthest-first traversal), computed lazily.

Greedy k-center (Gonzalez 1985) adds, again and again, the point farthest from the centres so far. Done naively every
point meets every centre. Here a point keeps an upper bound of its distance and the number of centres it has met; only
points whose bound could still win are brought up to date, in one matrix product, and plain greedy runs inside that small
set until its maximum falls below every bound outside. Bounds come from float32 products and include their rounding; a
point is picked only once its bound is its distance in float64. So the picks are those of the naive algorithm in float64,
whatever the processor.

Beside the data it needs 17 bytes a point, 8 more for a moment, and the small set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.rows import rows_of
from proxyset.errors import InvalidInput

Distances = NDArray[np.floating[Any]]

_SMALL = 1024  # below this many points laziness costs more than it saves
_FIRST, _LARGEST = 1 << 14, 1 / 32  # points in the small set: to begin with, and at most as a share of all
_FINE = 1e-3  # below this share of the largest squared norm float32 has too few digits left: differences in float64
_BLOCK, _SCORES = 4096, 1 << 19  # rows, and distances, that are computed at once


def farthest_first(
    X: NDArray[np.float32], count: int, *, first: int, weights: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The greedy k-center order of `count` points.

    Args:
        X: (n, d) float32; an array in memory or a memory map.
        count: number of picks, 1 ≤ count ≤ n.
        first: row of the first centre.
        weights: (n,) positive; the next pick maximises weight · squared distance. None: all 1.

    Returns:
        picks: (count,) distinct row numbers in the order picked; of equally far points the lowest row wins, and rows
            that coincide with a centre come last, in order.
        distances: (count,) float32, Euclidean distance of each pick to the picks before it (infinity for the first).

    Raises:
        InvalidInput: count or first is out of range.
    """
    n = len(X)
    if not 1 <= count <= n or not 0 <= first < n:
        raise InvalidInput(f"cannot pick {count} of {n} points starting at {first}")
    return _Traversal(X, weights, count).run(first)


class _Traversal:
    def __init__(self, X: NDArray[np.float32], weights: NDArray[np.floating] | None, count: int) -> None:
        n, d = X.shape
        self._X, self._weights, self._count = X, weights, count
        # distances do not change when the mean is taken out, and far fewer digits cancel
        total = sum(
            rows_of(X, slice(start, start + _BLOCK)).sum(axis=0, dtype=np.float64)
            for start in range(0, n, _BLOCK)
        )
        self._mean = np.asarray(total / n, np.float32)
        self._norms = np.empty(n, np.float32)
        for start in range(0, n, _BLOCK):
            block = self._centred(slice(start, start + _BLOCK))
            self._norms[start : start + _BLOCK] = np.einsum("ij,ij->i", block, block)
        self._largest = float(self._norms.max())
        # of ‖x‖² − 2x·c + ‖c‖² in float32, with all three at most `largest` (Higham 2002, section 3.1)
        self._rounding = 4 * (d + 8) * 2.0**-24 * self._largest
        self._bounds = np.full(n, np.inf)  # ≥ weight · squared distance to the centres met; −1 once picked
        self._exact = np.zeros(n, bool)  # where the bound is that distance
        self._met = np.zeros(n, np.int32)  # how many centres, in order, the bound accounts for
        self._picks = np.empty(count, np.intp)
        self._centres = np.empty((count, d))
        self._gaps = np.full(count, np.inf)
        self._picked = 0

    def run(self, first: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        n = len(self._X)
        self._pick(first, np.inf)
        for start in range(0, n, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, n))
            self._refresh(rows[self._bounds[rows] >= 0])
        most = max(_SMALL, min(n, int(n * _LARGEST)))
        size = n if n <= _SMALL else min(_FIRST, most)
        while self._picked < self._count:
            active, threshold = self._candidates(size)
            self._refresh(active)
            before = self._picked
            self._greedy(active, threshold)
            # few picks a round: the set is too small for its threshold; many: it is larger than the cache likes
            if self._picked - before < 8:
                # `most` gives way only where nothing else makes progress: more equal points than that
                size = min(max(most, size), size * 2) if self._picked > before else min(n, size * 2)
            elif self._picked - before > 64:
                size = max(min(n, _SMALL), size // 2)
        return self._picks, np.sqrt(self._gaps).astype(np.float32)

    def _centred(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        return np.subtract(rows_of(self._X, rows), self._mean, dtype=np.float32)

    def _candidates(self, size: int) -> tuple[NDArray[np.intp], float]:
        """The rows with the largest bounds, in order of row, and the largest bound left outside."""
        n = len(self._X)
        if size >= n:
            return np.flatnonzero(self._bounds >= 0), -1.0
        threshold = float(np.partition(self._bounds, n - size)[n - size])
        return np.flatnonzero(self._bounds > threshold), threshold

    def _refresh(self, rows: NDArray[np.intp]) -> None:
        """Bring the bounds of `rows` up to date with all centres."""
        for met in np.unique(self._met[rows]):
            if met == self._picked:
                continue
            group = rows[self._met[rows] == met]
            step = max(1, min(_BLOCK, _SCORES // (self._picked - int(met))))
            for start in range(0, len(group), step):
                self._lower(group[start : start + step], int(met))
        self._met[rows] = self._picked

    def _lower(self, rows: NDArray[np.intp], met: int) -> None:
        X = self._centred(rows)
        centres = self._centred(self._picks[met : self._picked])
        products = X @ centres.T
        products *= -2
        products += self._norms[self._picks[met : self._picked]]
        distances = (
            np.maximum(products.min(axis=1) + self._norms[rows], 0).astype(np.float64) + self._rounding
        )
        if self._weights is not None:
            distances *= self._weights[rows]
        bounds = self._bounds[rows]
        self._exact[rows] &= bounds <= distances
        self._bounds[rows] = np.minimum(bounds, distances)

    def _greedy(self, active: NDArray[np.intp], threshold: float) -> None:
        """Plain greedy inside `active` while its best beats everything outside."""
        if len(active) == 0:
            return
        X, norms = self._centred(active), self._norms[active]
        bounds, exact = self._bounds[active], self._exact[active]
        weights = None if self._weights is None else self._weights[active].astype(np.float64)
        while self._picked < self._count:
            best = int(bounds.argmax())
            if not bounds[best] > threshold:
                break
            row = int(active[best])
            if not exact[best]:
                bounds[best], exact[best] = self._distance(row), True
                continue
            self._pick(row, float(bounds[best]) / (1.0 if weights is None else float(weights[best])))
            distances: Distances
            fine = self._gaps[self._picked - 1] < _FINE * self._largest
            if fine:
                distances = np.square(rows_of(self._X, active) - self._centres[self._picked - 1]).sum(axis=1)
            else:
                distances = (norms - 2 * (X @ X[best]) + norms[best]).astype(np.float64)
                np.maximum(distances, 0, out=distances)
                distances += self._rounding
            if weights is not None:
                distances *= weights
            lower = distances < bounds
            exact[lower] = fine
            np.copyto(bounds, distances, where=lower)
            bounds[best] = -1
        self._bounds[active], self._exact[active] = bounds, exact
        self._met[active] = self._picked

    def _distance(self, row: int) -> float:
        """Weight · squared distance to the nearest centre, in float64."""
        nearest = float(np.square(self._X[row] - self._centres[: self._picked]).sum(axis=1).min())
        return nearest if self._weights is None else nearest * float(self._weights[row])

    def _pick(self, row: int, gap: float) -> None:
        self._picks[self._picked], self._gaps[self._picked] = row, gap
        self._centres[self._picked] = self._X[row]
        self._bounds[row] = -1
        self._picked += 1
