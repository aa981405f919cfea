"""How many items projection and K-means are fitted on: a sample that is bounded in bytes, whatever the pool."""

from __future__ import annotations

from proxyset.cloud.kmeans import POINTS_PER_CLUSTER

_PCA_ROWS = 50_000
_KMEANS_ROWS = 65_536  # at least, however few the clusters
_BYTES = 256 << 20


def rows(items: int, d: int, D: int, R: int) -> int:
    """Items of a pool of d features that are drawn to fit D components and R centroids."""
    wanted = max(_PCA_ROWS, _KMEANS_ROWS, POINTS_PER_CLUSTER * R)
    return min(items, max(R, D, min(wanted, _BYTES // (4 * d))))


def rows_of_pca(d: int, D: int) -> int:
    """Of those, at most so many are what the components are fitted on."""
    return min(_PCA_ROWS, max(_BYTES // (8 * d), D))
