"""Exact greedy k-center (farthest-first traversal), computed lazily.

Greedy k-center (Gonzalez 1985) adds, again and again, the point farthest from the centres so far. Done naively every
point meets every centre. Here a point keeps an upper bound of its distance and the number of centres it has met. In every
round the points with the largest bounds meet the centres they missed, in matrix products, until they have met all or
their bound is no larger than those outside; plain greedy runs among the few that stay above. Bounds come from float32
products and include their rounding; a point is picked only once its bound is its distance in float64. So the picks are
those of the naive algorithm in float64, whatever the processor.

Beside the data it needs 17 bytes a point, 2 more for a moment, and one block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.rows import rows_of
from proxyset.errors import InvalidInput

_SMALL = 1024  # below this many points laziness costs more than it saves
_FIRST, _LARGEST = (
    1 << 14,
    1 / 32,
)  # points brought up to date in a round: to begin with, and at most as a share of all
_FINE = 1e-3  # below this share of the largest squared norm float32 has too few digits left: differences in float64
_BLOCK, _TOGETHER = 4096, 256  # rows and centres in one product
_SAMPLE = 1 << 16  # bounds that tell which ones are large, rows that tell the mean


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
        # distances do not change when the mean is taken out, and far fewer digits cancel; any point near it will do
        spread = range(0, n, _BLOCK * max(1, n // _SAMPLE))
        means = [rows_of(X, slice(s, s + _BLOCK)).mean(axis=0, dtype=np.float64) for s in spread]
        self._mean = np.mean(means, axis=0).astype(np.float32)
        self._norms = np.empty(n, np.float32)
        self._largest = self._rounding = 0.0
        self._bounds = np.empty(n)  # ≥ weight · squared distance to the centres met; −1 once picked
        self._exact = np.zeros(n, bool)  # where the bound is that distance
        self._met = np.ones(n, np.int32)  # how many centres, in order, the bound accounts for
        self._picks = np.empty(count, np.intp)
        self._centres = np.empty((count, d))
        # a row's product with a point and a 1 is their squared distance but for the point's norm
        self._products = np.empty((count, d + 1), np.float32)
        self._gaps = np.full(count, np.inf)
        self._picked = 0

    def run(self, first: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        n = len(self._X)
        self._begin(first)
        most = max(_SMALL, min(n, int(n * _LARGEST)))
        size = n if n <= _SMALL else min(_FIRST, most)
        while self._picked < self._count:
            rows, threshold = self._candidates(size)
            before = self._picked
            self._greedy(self._refresh(rows, threshold), threshold)
            # few picks a round: most of its time is not spent on them; many: more points were brought up to date than needed
            if self._picked - before < 8:
                # `most` gives way only where nothing else makes progress: more equal points than that
                size = min(max(most, size), size * 2) if self._picked > before else min(n, size * 2)
            elif self._picked - before > 64:
                size = max(min(n, _SMALL), size // 2)
        return self._picks, np.sqrt(self._gaps).astype(np.float32)

    def _begin(self, first: int) -> None:
        """Norms and distances to the first centre, in one pass."""
        n, d = self._X.shape
        self._pick(first, np.inf)
        for start in range(0, n, _BLOCK):
            block = slice(start, min(start + _BLOCK, n))
            points = self._points(np.arange(block.start, block.stop))
            self._norms[block] = np.einsum("ij,ij->i", points[:, :-1], points[:, :-1])
            self._bounds[block] = points @ self._products[0] + self._norms[block]
        self._largest = float(self._norms.max())
        # of ‖x‖² + (‖c‖² − 2x·c) in float32, all of them at most `largest` (Higham 2002, section 3.1)
        self._rounding = 6 * (d + 8) * 2.0**-24 * self._largest
        np.maximum(self._bounds, 0, out=self._bounds)
        self._bounds += self._rounding
        if self._weights is not None:
            self._bounds *= self._weights
        self._bounds[first] = -1

    def _points(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """(m, d + 1): points without the mean, and a 1."""
        points = np.ones((len(rows), self._X.shape[1] + 1), np.float32)
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            np.subtract(rows_of(self._X, some), self._mean, out=points[start : start + _BLOCK, :-1])
        return points

    def _candidates(self, size: int) -> tuple[NDArray[np.intp], float]:
        """The rows with the largest bounds, about `size`, in order of row, and a bound of what is left outside."""
        n = len(self._X)
        if size >= n:
            return np.flatnonzero(self._bounds >= 0), -1.0
        sample = self._bounds[:: max(1, n // _SAMPLE)]
        threshold = _largest(sample, size * len(sample) // n)
        rows = np.flatnonzero(self._bounds > threshold)
        if len(rows) > size + size // 4:
            bounds = self._bounds[rows]
            threshold = _largest(bounds, size)
            rows = rows[bounds > threshold]
        return rows, threshold

    def _greedy(self, active: NDArray[np.intp], threshold: float) -> None:
        """Plain greedy inside `active` while its best beats everything outside."""
        if len(active) == 0:
            return
        X, norms = self._points(active), self._norms[active]
        weights = None if self._weights is None else self._weights[active].astype(np.float64)
        bounds, exact = self._bounds[active], self._exact[active]
        while self._picked < self._count:
            best = int(bounds.argmax())
            if not bounds[best] > threshold:
                break
            row = int(active[best])
            if not exact[best]:
                bounds[best], exact[best] = self._distance(row, X[best]), True
                continue
            self._pick(row, float(bounds[best]) / (1.0 if weights is None else float(weights[best])))
            centre = self._picked - 1
            if fine := self._gaps[centre] < _FINE * self._largest:
                distances = np.square(rows_of(self._X, active) - self._centres[centre]).sum(axis=1)
            else:
                distances = X @ self._products[centre]
                distances += norms
                distances += np.float32(self._rounding)
            if weights is not None:
                distances = distances * weights
            lower = np.flatnonzero(distances < bounds)
            bounds[lower] = np.maximum(distances[lower], 0)
            exact[lower] = fine
            bounds[best] = -1
        self._bounds[active], self._exact[active] = bounds, exact
        self._met[active] = self._picked

    def _refresh(self, rows: NDArray[np.intp], threshold: float) -> NDArray[np.intp]:
        """Bring the bounds of `rows` up to date, each until it falls to the threshold; the rows that stay above it."""
        seen = self._met[rows]
        for met in np.unique(seen):
            group = rows[seen == met]
            for start in range(0, len(group), _BLOCK):
                self._lower(group[start : start + _BLOCK], int(met), threshold)
        return rows[self._bounds[rows] > threshold]

    def _lower(self, rows: NDArray[np.intp], met: int, threshold: float) -> None:
        """Let rows that have met the same centres meet the next ones, some at a time."""
        if met == self._picked:
            return
        points, norms = self._points(rows), self._norms[rows]
        while met < self._picked and len(rows):
            stop = min(self._picked, (met // _TOGETHER + 1) * _TOGETHER)
            nearest = (self._products[met:stop] @ points.T).min(axis=0)
            distances = np.maximum(nearest + norms, 0).astype(np.float64) + self._rounding
            if self._weights is not None:
                distances *= self._weights[rows]
            bounds = self._bounds[rows]
            self._exact[rows] &= bounds <= distances
            bounds = np.minimum(bounds, distances)
            self._bounds[rows], self._met[rows] = bounds, stop
            met, above = stop, bounds > threshold
            rows, points, norms = rows[above], points[above], norms[above]

    def _distance(self, row: int, point: NDArray[np.float32]) -> float:
        """Weight · squared distance to the nearest centre, in float64."""
        products = self._products[: self._picked] @ point
        near = np.flatnonzero(products <= products.min() + np.float32(2 * self._rounding))
        nearest = float(np.square(self._X[row] - self._centres[near]).sum(axis=1).min())
        return nearest if self._weights is None else nearest * float(self._weights[row])

    def _pick(self, row: int, gap: float) -> None:
        self._picks[self._picked], self._gaps[self._picked] = row, gap
        self._centres[self._picked] = self._X[row]
        centred = self._X[row] - self._mean
        self._products[self._picked, :-1] = -2 * centred
        self._products[self._picked, -1] = centred @ centred
        self._bounds[row] = -1
        self._picked += 1


def _largest(values: NDArray[np.float64], count: int) -> float:
    """The value that `count` others exceed, at most."""
    place = max(0, len(values) - 1 - count)
    return float(np.partition(values, place)[place])
