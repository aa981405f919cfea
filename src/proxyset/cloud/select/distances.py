"""Distances from the items of a pool to a few given points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.rows import rows_of

_BLOCK, _POINTS = 4096, 1024


def nearest_distance(Z: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each row is from the nearest of some points.

    Args:
        Z: (n, D) float32; an array in memory or a memory map.
        points: (m, D) float32, m ≥ 1.

    Returns:
        (n,) float32 Euclidean distances, right to about 1e-3 of the points' spread.
    """
    mean = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = points - mean
    norms = np.einsum("ij,ij->i", points, points)
    found = np.empty(len(Z), np.float32)
    for start in range(0, len(Z), _BLOCK):
        block = rows_of(Z, slice(start, start + _BLOCK)) - mean
        nearest = np.full(len(block), np.inf, np.float32)
        for first in range(0, len(points), _POINTS):
            some = slice(first, first + _POINTS)
            np.minimum(nearest, (norms[some] - 2 * block @ points[some].T).min(axis=1), out=nearest)
        nearest += np.einsum("ij,ij->i", block, block)
        found[start : start + _BLOCK] = np.sqrt(np.maximum(nearest, 0))
    return found
