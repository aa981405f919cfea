"""What the map of a pool is drawn from: how large each cluster is, where it lies, what is nearest to its centre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from proxyset.cloud.index import Index
from proxyset.cloud.shards import read_columns
from proxyset.server.page.layout import lay_out

NEAR = 12


@dataclass(frozen=True)
class Atlas:
    """An index, seen from above.

    Attributes:
        sizes: (R,) int64, items of the pool in each cluster.
        centres, radii: (R, 2) and (R,) float64, the clusters as circles on paper (`layout`), by the two directions in which the
            pool's mass differs most between clusters.
        near: (R, k) int64, row numbers of the items nearest to each centroid, nearest first; −1 where a cluster has fewer.
        explained: share of the variance between clusters that the two directions hold.
    """

    sizes: NDArray[np.int64]
    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    near: NDArray[np.int64]
    explained: float


def survey(index: Index, seen: Callable[[int], None] = lambda _: None) -> Atlas:
    """Draw up the atlas of an index: one pass over its assignments, memory for R clusters.

    Args:
        seen: told how many items were looked at, again and again.

    Raises:
        ArtifactError: the index is damaged.
    """
    R = index.manifest.clusters
    sizes = np.zeros(R, np.int64)
    near = np.full((R, NEAR), -1, np.int64)
    distances = np.full((R, NEAR), np.inf, np.float32)
    start = 0
    for record in index.manifest.assignments:
        for batch in read_columns(index.folder / "assignments" / record.name, ["cluster", "distance"]):
            clusters = batch.column("cluster").to_numpy()
            sizes += np.bincount(clusters, minlength=R)
            _keep_nearest(near, distances, clusters, batch.column("distance").to_numpy(), start)
            start += len(clusters)
            seen(start)
    places, explained = _flattened(index.centroids, sizes)
    centres, radii = lay_out(places, sizes)
    return Atlas(sizes, centres, radii, near, explained)


def items_near(index: Index, atlas: Atlas, cluster: int) -> pa.Table:
    """Ids, labels, licences and shards of the items nearest to a centroid, nearest first."""
    rows = atlas.near[cluster]
    return index.rows(rows[rows >= 0].astype(np.intp), ["id", "label", "source", "licence"])


def _keep_nearest(
    near: NDArray[np.int64],
    distances: NDArray[np.float32],
    clusters: NDArray[np.int32],
    found: NDArray[np.float32],
    start: int,
) -> None:
    """Merge a batch of items, whose rows begin at `start`, into the nearest so far."""
    order = np.lexsort((found, clusters))
    ordered = clusters[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    for begin, end in zip(begins, np.r_[begins[1:], len(ordered)], strict=True):
        cluster, best = int(ordered[begin]), order[begin : min(end, begin + NEAR)]
        rows = np.concatenate([near[cluster], best + start])
        far = np.concatenate([distances[cluster], found[best]])
        kept = np.argsort(far, kind="stable")[:NEAR]
        near[cluster], distances[cluster] = rows[kept], far[kept]


def _flattened(C: NDArray[np.float32], sizes: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """PCA of the centroids, each as heavy as its cluster."""
    weight = np.sqrt(np.maximum(sizes, 1) / np.maximum(sizes, 1).sum())[:, None]
    centred = C.astype(np.float64)
    centred -= (weight**2 * centred).sum(axis=0)
    _, strengths, directions = np.linalg.svd(weight * centred, full_matrices=False)
    places = centred @ directions[:2].T
    if places.shape[1] < 2:
        places = np.column_stack([places, np.zeros(len(places))])
    total = float((strengths**2).sum())
    return places, float((strengths[:2] ** 2).sum()) / total if total else 1.0
