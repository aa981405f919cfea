"""Greedy facility location: representatives such that every weighted point has one near it.

Maximises Σ_i w_i · (far − min_{s∈S} ‖x_i − x_s‖), a monotone submodular function, so that greedy is within
1 − 1/e of the best (Nemhauser, Wolsey and Fisher 1978); evaluated lazily (Minoux 1978). Unlike k-center it
follows the mass of the points and not the outliers.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput


def representatives(X: NDArray[np.float32], weights: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """The greedy order of `count` representatives; every prefix is the answer to a smaller count.

    Args:
        X: (m, d). An m × m matrix of float32 is held in memory: at most some thousands of points.
        weights: (m,) ≥ 0.
        count: number of picks, 0 ≤ count ≤ m.

    Returns:
        (count,) distinct row numbers; rows that add nothing come last.

    Raises:
        InvalidInput: count is out of range.
    """
    if not 0 <= count <= len(X):
        raise InvalidInput(f"cannot choose {count} representatives of {len(X)} points")
    distances = _distances(X)
    share = np.asarray(weights / max(float(weights.sum()), 1e-300), np.float32)
    if not len(X):
        return np.empty(0, np.intp)
    nearest = np.full(len(X), distances.max(), np.float32)
    # of each row: minus its gain (for the heap), itself, and how many picks that gain accounts for
    gains = nearest[0] * share.sum() - share @ distances
    heap = [(-float(gain), row, 0) for row, gain in enumerate(gains)]
    heapq.heapify(heap)
    picks: list[int] = []
    while len(picks) < count:
        _, row, seen = heap[0]
        if seen == len(picks):
            heapq.heappop(heap)
            picks.append(row)
            np.minimum(nearest, distances[row], out=nearest)
        else:
            gain = float(share @ np.maximum(nearest - distances[row], 0))
            heapq.heapreplace(heap, (-gain, row, len(picks)))
    return np.array(picks, np.intp)


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
