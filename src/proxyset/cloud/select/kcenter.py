"""Exact greedy k-center (farthest-first traversal), computed lazily.

Greedy k-center (Gonzalez 1985) adds, again and again, the point farthest from the centres so far. Done naively every
point meets every centre. Here a point keeps an upper bound of its distance and the number of centres it has met; only
points whose bound could still win are brought up to date, in one matrix product, and plain greedy runs inside that small
set until its maximum falls below every bound outside. The picks are those of the naive algorithm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput

Distances = NDArray[np.floating[Any]]

_SMALL = 1024  # below this many points laziness costs more than it saves
_FINE = 1e-3  # below this share of the largest squared norm, ‖x‖² − 2x·c + ‖c‖² cancels too many digits of float32


def farthest_first(
    X: NDArray[np.float32], count: int, *, first: int, weights: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The greedy k-center order of `count` points.

    Args:
        X: (n, d) float32.
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
    return _Traversal(X, weights).run(count, first)


class _Traversal:
    def __init__(self, X: NDArray[np.float32], weights: NDArray[np.floating] | None) -> None:
        # distances do not change when the mean is taken out, and far fewer digits cancel
        self._X = np.ascontiguousarray(X - X.mean(axis=0, dtype=np.float64), np.float32)
        self._norms = np.einsum("ij,ij->i", self._X, self._X)
        self._weights = None if weights is None else np.asarray(weights, np.float32)
        n = len(X)
        self._bounds = np.full(n, np.inf)  # weight · squared distance to the centres met; −1 once picked
        self._met = np.zeros(n, np.intp)  # how many centres, in order, the bound accounts for
        self._picks: list[int] = []
        self._gaps: list[float] = []

    def run(self, count: int, first: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        n = len(self._X)
        self._pick(first, np.inf)
        self._refresh(np.flatnonzero(self._bounds >= 0))
        size = n if n <= _SMALL else min(n, max(_SMALL, min(1 << 14, n // 16)))
        while len(self._picks) < count:
            active, threshold = self._candidates(size)
            self._refresh(active)
            picked = self._greedy(active, threshold, count)
            # few picks a round: the set is too small for its threshold; many: it is larger than the cache likes
            if picked < 8:
                size = min(n, size * 2)
            elif picked > 64:
                size = max(min(n, _SMALL), size // 2)
        return np.array(self._picks, np.intp), np.sqrt(np.array(self._gaps, np.float32))

    def _candidates(self, size: int) -> tuple[NDArray[np.intp], float]:
        """The rows with the largest bounds, in order of row, and the largest bound left outside."""
        n = len(self._X)
        if size >= n:
            return np.flatnonzero(self._bounds >= 0), -1.0
        threshold = float(np.partition(self._bounds, n - size)[n - size])
        return np.flatnonzero(self._bounds > threshold), threshold

    def _refresh(self, rows: NDArray[np.intp]) -> None:
        """Bring the bounds of `rows` up to date with all centres."""
        total = len(self._picks)
        for met in np.unique(self._met[rows]):
            if met == total:
                continue
            group = rows[self._met[rows] == met]
            for start in range(0, len(group), 4096):
                block = group[start : start + 4096]
                distances = self._to_centres(block, np.array(self._picks[met:], np.intp))
                self._lower(block, distances)
            self._met[group] = total

    def _greedy(self, active: NDArray[np.intp], threshold: float, count: int) -> int:
        """Plain greedy inside `active` while its best beats everything outside; returns the number of picks."""
        if len(active) == 0:
            return 0
        X, norms, bounds = self._X[active], self._norms[active], self._bounds[active]
        weights = None if self._weights is None else self._weights[active]
        picked = 0
        while len(self._picks) < count:
            best = int(bounds.argmax())
            if not bounds[best] > threshold:
                break
            row = int(active[best])
            self._pick(row, float(bounds[best]) / (1.0 if weights is None else float(weights[best])))
            picked += 1
            distances = _one_to_all(X, norms, best, self._is_fine())
            if weights is not None:
                distances *= weights
            np.minimum(bounds, distances, out=bounds)
            bounds[best] = -1
        self._bounds[active] = bounds
        self._met[active] = len(self._picks)
        return picked

    def _pick(self, row: int, gap: float) -> None:
        self._picks.append(row)
        self._gaps.append(gap)
        self._bounds[row] = -1

    def _is_fine(self) -> bool:
        return self._gaps[-1] < _FINE * float(self._norms.max(initial=0.0))

    def _to_centres(self, rows: NDArray[np.intp], centres: NDArray[np.intp]) -> Distances:
        """Squared distance of each row to the nearest of the centres: (m,)."""
        if self._is_fine():
            X = self._X[rows].astype(np.float64)
            nearest = np.full(len(rows), np.inf)
            for centre in centres:
                np.minimum(nearest, np.square(X - self._X[centre]).sum(axis=1), out=nearest)
            return nearest
        products = self._X[rows] @ self._X[centres].T
        distances = self._norms[rows][:, None] - 2 * products + self._norms[centres]
        lowest: Distances = np.maximum(distances, 0).min(axis=1)
        return lowest

    def _lower(self, rows: NDArray[np.intp], distances: NDArray[np.floating]) -> None:
        if self._weights is not None:
            distances = distances * self._weights[rows]
        self._bounds[rows] = np.minimum(self._bounds[rows], distances)


def _one_to_all(X: NDArray[np.float32], norms: NDArray[np.float32], row: int, fine: bool) -> Distances:
    distances: Distances
    if fine:
        distances = np.square(X.astype(np.float64) - X[row]).sum(axis=1)
    else:
        distances = np.maximum(norms - 2 * (X @ X[row]) + norms[row], 0)
    return distances
