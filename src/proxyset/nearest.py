"""The nearest centroid: the one computation that cloud and client share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput

_FAR = 8  # centroids farther from the origin than this many times their spread are moved to it first
# Points and centroids in one product: enough rows that packing the centroids is paid for, few enough scores that the
# arg-max finds them in the cache. Larger and smaller blocks were slower (docs/performance.md).
_ROWS, _TILE = 1024, 2048


class NearestCentroid:
    """Finds the nearest of R centroids for any number of points.

    Works on blocks: arg-max of x·c − ‖c‖²/2 in float32, which has the same winner as arg-min of ‖x − c‖; the norm is one
    more column of the product, so that no pass over the scores subtracts it. The centroids are first scaled by a power of
    two (which scales every score) and, if they lie far from the origin, both sides are moved by the mean of the centroids:
    neither changes the winner, and a large common offset or a tiny unit costs no precision. Of equally near centroids the
    lowest index wins, as far as float32 can tell them apart.

    Args:
        C: (R, d) centroids, finite, R ≥ 1, any float dtype.

    Raises:
        InvalidInput: `C` is empty, not two-dimensional or not finite.
    """

    def __init__(self, C: NDArray[np.floating]) -> None:
        if C.ndim != 2 or 0 in C.shape:
            raise InvalidInput(f"centroids must have shape (R, d) with R, d ≥ 1; these have {C.shape}")
        low, high = C.min(axis=0), C.max(axis=0)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise InvalidInput("centroids must be finite; these contain NaN or infinity")
        offset = C.mean(axis=0, dtype=np.float64)
        largest = float(np.maximum(high - offset, offset - low).max())
        self._offset: NDArray[np.float32] | None = None
        if np.abs(offset).max() > _FAR * largest:
            self._offset, C = offset.astype(np.float32), C - offset
        else:  # as they are: exact for small integers, ties included
            largest = float(max(high.max(), -low.min()))
        scale = 2.0 ** -np.round(np.log2(largest)) if 1e-30 < largest < 1e30 else 1.0
        self._C = np.empty((len(C), C.shape[1] + 1), np.float32)
        np.multiply(C, scale, out=self._C[:, :-1], dtype=np.float32, casting="same_kind")
        self._C[:, -1] = (0.5 * scale) * np.einsum("ij,ij->i", C, C, dtype=np.float64)

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.int32]:
        """Labels of `X`: (n, d), finite, any float dtype → (n,) int32 in [0, R)."""
        R, width = self._C.shape
        labels = np.zeros(len(X), np.int32)
        rows = np.full((min(_ROWS, len(X)), width), -1, np.float32)
        scores = np.empty(len(rows) * min(_TILE, R), np.float32)
        for start in range(0, len(X), _ROWS):
            block = X[start : start + _ROWS]
            points = rows[: len(block)]
            if self._offset is None:
                points[:, :-1] = block
            else:
                np.subtract(block, self._offset, out=points[:, :-1], dtype=np.float32)
            best, highest = labels[start : start + _ROWS], np.full(len(block), -np.inf, np.float32)
            for first in range(0, R, _TILE):
                tile = self._C[first : first + _TILE]
                out = scores[: len(block) * len(tile)].reshape(len(block), len(tile))
                np.matmul(points, tile.T, out=out)
                winner = out.argmax(axis=1)
                if R <= _TILE:
                    best[:] = winner
                    break
                score = out[np.arange(len(block)), winner]
                better = score > highest
                np.copyto(best, winner + first, where=better, casting="same_kind")
                np.copyto(highest, score, where=better)
        return labels


def nearest_centroid(X: NDArray[np.floating], C: NDArray[np.floating]) -> NDArray[np.int32]:
    """Index of the nearest row of `C` (R, d) for every row of `X` (n, d): (n,) int32. See `NearestCentroid`."""
    return NearestCentroid(C)(X)
