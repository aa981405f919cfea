"""Exact greedy k-center (farthest-first traversal), computed lazily.

Greedy k-center (Gonzalez 1985) adds, again and again, the point farthest from the centres so far. Done naively every
point meets every centre. Here a point keeps an upper bound of its distance and the number of centres it has met. In every
round the points with the largest bounds meet the centres they missed, in matrix products, until they have met all or
their bound is no larger than those outside; plain greedy runs among the few that stay above. Bounds come from float32
products and include their rounding; a point is picked only once its bound is its distance in float64. So the picks are
those of the naive algorithm in float64, whatever the processor.

Beside the data it needs 17 bytes a point, 2 more for a moment, and one block. `kcenter_parts` does the same to a pool that is not
in memory, of which it holds the points that may come next.
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
BLOCK, TOGETHER = 4096, 256  # rows and centres in one product
_PAIRS = 1 << 18  # of rows and centres that are looked at together for the nearest one
_SAMPLE = 1 << 16  # bounds that tell which ones are large, rows that tell the mean


def farthest_first(
    X: NDArray[np.float32], count: int, *, first: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The greedy k-center order of `count` points.

    Args:
        X: (n, d) float32; an array in memory or a memory map.
        count: number of picks, 1 ≤ count ≤ n.
        first: row of the first centre.

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
    # any point near the mean will do
    spread = range(0, n, BLOCK * max(1, n // _SAMPLE))
    means = [rows_of(X, slice(s, s + BLOCK)).mean(axis=0, dtype=np.float64) for s in spread]
    traversal = _Traversal(X, Centres(np.mean(means, axis=0).astype(np.float32), count), count)
    traversal.begin(first)
    return traversal.run()


def go_on(
    X: NDArray[np.float32],
    count: int,
    *,
    centres: NDArray[np.float32],
    squared: NDArray[np.float64],
    floor: float,
    place: int,
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The next picks of a pool, as long as they are sure to be among the points given.

    Args:
        X: (n, d) float32, the points that are farthest from the centres, in order of row.
        count: most picks, 1 ≤ count ≤ n.
        centres: (k, d) float32, picked before, k ≥ 1.
        squared: (n,) float64, squared distances to the nearest of them (`Centres.squared`).
        floor, place: of what is not among the points nothing is farther, squared, than `floor`, and what is as far comes after
            the point with the number `place`; −1 and n where these are all points.

    Returns:
        As `farthest_first`: at most `count` picks, one at least where `squared[place]` is `floor`.
    """
    known = Centres(centres.mean(axis=0, dtype=np.float64).astype(np.float32), len(centres) + count)
    known.add(centres)
    traversal = _Traversal(X, known, count, floor=floor, place=place)
    traversal.resume(squared)
    return traversal.run()


class Centres:
    """Points that were picked, and how far others are from them: bounds by products in float32, and distances in float64.

    Args:
        mean: (d,) float32; distances do not change when it is taken out, and far fewer digits cancel.
        most: how many centres there may be.
    """

    def __init__(self, mean: NDArray[np.float32], most: int) -> None:
        self._mean = mean
        self.count = 0
        self.points = np.empty((most, len(mean)))
        # a row's product with a point and a 1 is their squared distance but for the point's norm
        self.products = np.empty((most, len(mean) + 1), np.float32)

    def add(self, points: NDArray[np.float32]) -> None:
        """(m, d): the next centres."""
        new = slice(self.count, self.count + len(points))
        self.points[new] = points
        centred = points - self._mean
        self.products[new, :-1] = -2 * centred
        self.products[new, -1] = np.einsum("ij,ij->i", centred, centred)
        self.count += len(points)

    def centred(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """(m, d + 1): points without the mean, and a 1."""
        points = np.ones((len(X), X.shape[1] + 1), np.float32)
        np.subtract(X, self._mean, out=points[:, :-1])
        return points

    def rounding(self, norms: NDArray[np.float32]) -> float:
        """What a squared distance may lack, of points with such squared norms."""
        largest = max(float(norms.max()), float(self.products[: self.count, -1].max()))
        # of ‖x‖² + (‖c‖² − 2x·c) in float32, all of them at most the largest (Higham 2002, section 3.1)
        return 6 * (self.products.shape[1] + 7) * 2.0**-24 * largest

    def bounds(
        self, met: int, stop: int, points: NDArray[np.float32], norms: NDArray[np.float32], rounding: float
    ) -> NDArray[np.float64]:
        """(m,) no less than the squared distances of centred points to the nearest of some centres."""
        nearest: NDArray[np.float32] = (self.products[met:stop] @ points.T).min(axis=0)
        bounds: NDArray[np.float64] = np.maximum(nearest + norms, 0).astype(np.float64) + rounding
        return bounds

    def squared(
        self, X: NDArray[np.float32], points: NDArray[np.float32], rounding: float
    ) -> NDArray[np.float64]:
        """(m,) squared distances to the nearest centre in float64; `points` are X centred."""
        found = np.empty(len(X))
        step = max(1, _PAIRS // self.count)
        for start in range(0, len(X), step):
            some = slice(start, start + step)
            products = points[some] @ self.products[: self.count].T
            near = products <= products.min(axis=1, keepdims=True) + np.float32(2 * rounding)
            place, centre = np.nonzero(near)
            pairs = np.square(X[some][place] - self.points[centre]).sum(axis=1)
            found[some] = np.minimum.reduceat(pairs, np.searchsorted(place, np.arange(len(near))))
        return found


class _Traversal:
    def __init__(
        self,
        X: NDArray[np.float32],
        centres: Centres,
        count: int,
        floor: float = -1.0,
        place: int = -1,
    ) -> None:
        n = len(X)
        self._X, self._count = X, count
        self._centres = centres
        self._norms = np.empty(n, np.float32)
        self._largest = self._rounding = 0.0
        self._bounds = np.empty(n)  # ≥ squared distance to the centres met; −1 once picked
        self._exact = np.zeros(n, bool)  # where the bound is that distance
        self._met = np.ones(n, np.int32)  # how many centres, in order, the bound accounts for
        self._picks = np.empty(count, np.intp)
        self._gaps = np.full(count, np.inf)
        self._picked = 0
        self._floor, self._place = floor, place
        self._below = float(np.nextafter(floor, -1))

    def begin(self, first: int) -> None:
        """Norms and distances to the first centre, in one pass."""
        self._pick(first, np.inf)
        self._measure(self._centres.products[0])
        np.maximum(self._bounds, 0, out=self._bounds)
        self._bounds += self._rounding
        self._bounds[first] = -1

    def resume(self, squared: NDArray[np.float64]) -> None:
        """Norms, and distances that are known."""
        self._measure(None)
        self._bounds[:] = squared
        self._exact[:] = True
        self._met[:] = self._centres.count

    def _measure(self, product: NDArray[np.float32] | None) -> None:
        n = len(self._X)
        for start in range(0, n, BLOCK):
            block = slice(start, min(start + BLOCK, n))
            points = self._points(block)
            self._norms[block] = np.einsum("ij,ij->i", points[:, :-1], points[:, :-1])
            if product is not None:
                self._bounds[block] = points @ product + self._norms[block]
        self._largest = float(self._norms.max())
        self._rounding = self._centres.rounding(self._norms)

    def run(self) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        n = len(self._X)
        most = max(_SMALL, min(n, int(n * _LARGEST)))
        size = n if n <= _SMALL else min(_FIRST, most)
        while self._picked < self._count:
            rows, threshold = self._candidates(size)
            before = self._picked
            self._greedy(self._refresh(rows, threshold), threshold)
            if threshold == self._below:
                break
            # few picks a round: most of its time is not spent on them; many: more points were brought up to date than needed
            if self._picked - before < 8:
                # `most` gives way only where nothing else makes progress: more equal points than that
                size = min(max(most, size), size * 2) if self._picked > before else min(n, size * 2)
            elif self._picked - before > 64:
                size = max(min(n, _SMALL), size // 2)
        picked = slice(self._picked)
        return self._picks[picked], np.sqrt(self._gaps[picked]).astype(np.float32)

    def _points(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        return self._centres.centred(rows_of(self._X, rows))

    def _candidates(self, size: int) -> tuple[NDArray[np.intp], float]:
        """The rows with the largest bounds, about `size`, in order of row, and a bound of what is left outside."""
        n = len(self._X)
        if size >= n:
            return np.flatnonzero(self._bounds > self._below), self._below
        sample = self._bounds[:: max(1, n // _SAMPLE)]
        threshold = max(self._below, _largest(sample, size * len(sample) // n))
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
        bounds, exact = self._bounds[active], self._exact[active]
        while self._picked < self._count:
            best = int(bounds.argmax())
            row = int(active[best])
            if not bounds[best] > threshold or (bounds[best] == self._floor and row > self._place):
                break
            if not exact[best]:
                bounds[best], exact[best] = self._distance(row, X[best]), True
                continue
            self._pick(row, float(bounds[best]))
            centre = self._centres.count - 1
            if fine := self._gaps[self._picked - 1] < _FINE * self._largest:
                distances = np.square(rows_of(self._X, active) - self._centres.points[centre]).sum(axis=1)
            else:
                distances = X @ self._centres.products[centre]
                distances += norms
                distances += np.float32(self._rounding)
            close = np.flatnonzero(distances < bounds + (0.0 if fine else 2 * self._rounding))
            bounds[close] = np.minimum(bounds[close], np.maximum(distances[close], 0))
            exact[close] &= fine
            bounds[best] = -1
        self._bounds[active], self._exact[active] = bounds, exact
        self._met[active] = self._centres.count

    def _refresh(self, rows: NDArray[np.intp], threshold: float) -> NDArray[np.intp]:
        """Bring the bounds of `rows` up to date, each until it falls to the threshold; the rows that stay above it."""
        seen = self._met[rows]
        for met in np.unique(seen):
            group = rows[seen == met]
            for start in range(0, len(group), BLOCK):
                self._lower(group[start : start + BLOCK], int(met), threshold)
        return rows[self._bounds[rows] > threshold]

    def _lower(self, rows: NDArray[np.intp], met: int, threshold: float) -> None:
        """Let rows that have met the same centres meet the next ones, some at a time."""
        count = self._centres.count
        if met == count:
            return
        points, norms = self._points(rows), self._norms[rows]
        while met < count and len(rows):
            stop = min(count, (met // TOGETHER + 1) * TOGETHER)
            distances = self._centres.bounds(met, stop, points, norms, self._rounding)
            bounds = self._bounds[rows]
            # up to twice the rounding below such a bound may be a distance that is shorter
            self._exact[rows] &= bounds <= distances - 2 * self._rounding
            bounds = np.minimum(bounds, distances)
            self._bounds[rows], self._met[rows] = bounds, stop
            met, above = stop, bounds > threshold
            rows, points, norms = rows[above], points[above], norms[above]

    def _distance(self, row: int, point: NDArray[np.float32]) -> float:
        """Squared distance to the nearest centre, in float64."""
        centres = self._centres
        products = centres.products[: centres.count] @ point
        near = np.flatnonzero(products <= products.min() + np.float32(2 * self._rounding))
        return float(np.square(self._X[row] - centres.points[near]).sum(axis=1).min())

    def _pick(self, row: int, gap: float) -> None:
        self._picks[self._picked], self._gaps[self._picked] = row, gap
        self._centres.add(self._X[row][None])
        self._bounds[row] = -1
        self._picked += 1


def _largest(values: NDArray[np.float64], count: int) -> float:
    """The value that `count` others exceed, at most."""
    place = max(0, len(values) - 1 - count)
    return float(np.partition(values, place)[place])
