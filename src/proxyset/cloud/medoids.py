"""Medoids: real items in the place of centroids, and the commitment that they come from this index."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 16 << 20


def nearest_items(blocks: Iterable[NDArray[np.float32]], C: NDArray[np.float32]) -> NDArray[np.int64]:
    """The item nearest to each centroid.

    Args:
        blocks: all items in order, (m, D) float32 at a time.
        C: (R, D) float32.

    Returns:
        (R,) row numbers; of equally near items the first. Two centroids may share one.
    """
    best = np.full(len(C), np.inf, np.float32)
    rows = np.zeros(len(C), np.int64)
    norms = np.einsum("ij,ij->i", C, C)
    step = max(1, _BLOCK_BYTES // (4 * len(C)))
    start = 0
    for whole in blocks:
        for at in range(0, len(whole), step):
            Z = whole[at : at + step]
            distances = np.einsum("ij,ij->i", Z, Z)[:, None] - 2 * (Z @ C.T) + norms
            nearest = distances.argmin(axis=0)
            values = distances[nearest, np.arange(len(C))]
            better = values < best
            best[better] = values[better]
            rows[better] = start + at + nearest[better]
        start += len(whole)
    return rows
