"""Many clusters, up to 100,000: K-means in two levels, and a search that looks at the nearest cells only.

With R centroids in √R cells, fitting costs √R distances a point instead of R, and finding the nearest centroid
(1 + probes) · √R. The search is approximate: the true nearest centroid may lie in a cell that was not looked at
(inverted files; Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.kmeans import check_possible, kmeans, lloyd
from proxyset.cloud.select.allocation import allocate
from proxyset.nearest import NearestCentroid

PROBES = (
    16  # cells looked at: labels of the exact search for more than 99 % of the points of a clustered pool
)
FLAT = 2_048  # more centroids than this are fitted in two levels: at 4,000 it costs an eighth, at the same inertia
_BLOCK = 32_768
# over all centroids: fitting asks less of the search than labels do
_ITERATIONS, _FITTING_PROBES = 3, 6
_GROUPING = 4  # iterations


def kmeans_tree(X: NDArray[np.float32], clusters: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Centroids of `X` by K-means in some √R cells, then inside each cell, in proportion to its points, then once more together.

    Args:
        X: (n, d) float32, a random sample of the pool.
        clusters: R, at most n.
        rng: public randomness; the same state gives the same centroids.

    Returns:
        (R, d) float32.

    Raises:
        InvalidInput: R < 1 or R > n.
    """
    check_possible(X, clusters)
    coarse = _grouped(X, _cells(clusters), rng)
    labels = NearestCentroid(coarse)(X)
    sizes = np.bincount(labels, minlength=len(coarse))
    shares = np.bincount(allocate(sizes.astype(np.float64), sizes, clusters), minlength=len(coarse))
    C = np.concatenate(
        [
            kmeans(X[labels == cell], int(shares[cell]), child)
            for cell, child in zip(np.flatnonzero(shares), rng.spawn(int((shares > 0).sum())), strict=True)
        ]
    )
    return lloyd(X, C, _ITERATIONS, 1e-3, lambda C: TreeNearest(C, _FITTING_PROBES))


class TreeNearest:
    """Finds a nearest centroid among very many, as `NearestCentroid` does, in a small part of the time.

    Args:
        C: (R, d) centroids; they are grouped into some √R cells, always in the same way.
        probes: cells looked at for each point; all of them make it exact.
    """

    def __init__(self, C: NDArray[np.float32], probes: int = PROBES) -> None:
        self._coarse = _grouped(C, _cells(len(C)), np.random.default_rng(0))
        cells = NearestCentroid(self._coarse)(C)
        members = [np.flatnonzero(cells == cell) for cell in range(len(self._coarse))]
        kept = [cell for cell, rows in enumerate(members) if len(rows)]
        self._coarse, self._members = self._coarse[kept], [members[cell].astype(np.int32) for cell in kept]
        self._probes = min(probes, len(kept))
        self._offset = C.mean(axis=0, dtype=np.float64)
        self._fine = [self._columns(C[rows]) for rows in self._members]
        self._cells = self._columns(self._coarse)

    def _columns(self, C: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = C - self._offset
        half_norms = 0.5 * np.einsum("ij,ij->i", centred, centred)
        columns: NDArray[np.float32] = (
            np.concatenate([centred, half_norms[:, None]], axis=1).astype(np.float32).T
        )
        return columns

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.int32]:
        """Labels of `X`: (n, d), finite, any float dtype → (n,) int32 in [0, R)."""
        labels = np.empty(len(X), np.int32)
        for start in range(0, len(X), _BLOCK):
            labels[start : start + _BLOCK] = self._block(X[start : start + _BLOCK])
        return labels

    def _block(self, X: NDArray[np.floating]) -> NDArray[np.int32]:
        points = np.full((len(X), X.shape[1] + 1), -1, np.float32)
        points[:, :-1] = X - self._offset
        scores = points @ self._cells
        # (cell, point) for the cells nearest to each point, cell by cell
        nearest = np.empty((len(X), self._probes), np.int16)  # which sorts by digits
        every = np.arange(len(X))
        for probe in range(self._probes):
            nearest[:, probe] = scores.argmax(axis=1)
            scores[every, nearest[:, probe]] = -np.inf
        order = np.argsort(nearest.ravel(), kind="stable")
        rows = order // self._probes
        bounds = np.searchsorted(nearest.ravel()[order], np.arange(len(self._fine) + 1))
        best = np.zeros(len(X), np.int32)
        highest = np.full(len(X), -np.inf, np.float32)
        for cell, fine in enumerate(self._fine):
            asked = rows[bounds[cell] : bounds[cell + 1]]
            if len(asked) == 0:
                continue
            found = points[asked] @ fine
            winner = found.argmax(axis=1)
            score = found[np.arange(len(asked)), winner]
            better = score > highest[asked]
            best[asked[better]] = self._members[cell][winner[better]]
            highest[asked[better]] = score[better]
        return best


def _grouped(X: NDArray[np.float32], cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Centroids of about `cells` cells, and of none with many more points than others, which would cost the most.

    Seeds come by mere chance, so more of them from where points are dense than by k-means++; a cell of more than twice the mean is
    split once more, as the one in the middle of a pool of many dimensions, to which most points are nearest.
    """
    C = _scattered(X, cells, rng)
    labels = NearestCentroid(C)(X)
    parts = np.bincount(labels, minlength=cells) * cells / len(X)
    return np.concatenate(
        [
            _scattered(X[labels == cell], math.ceil(share), rng) if share > 2 else C[cell : cell + 1]
            for cell, share in enumerate(parts)
            if share > 0
        ]
    )


def _scattered(X: NDArray[np.float32], cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    return lloyd(X, X[np.sort(rng.choice(len(X), cells, replace=False))], _GROUPING, 1e-3)


def _cells(clusters: int) -> int:
    return max(1, math.isqrt(clusters))
