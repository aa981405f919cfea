"""K-means: k-means++ seeding on a subsample, Lloyd iterations on a sample. Assigning the whole pool is the index's part.

Sources: Lloyd (1982); Arthur and Vassilvitskii, "k-means++" (SODA 2007), with several trials a step as they suggest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from proxyset.errors import InvalidInput
from proxyset.nearest import NearestCentroid

POINTS_PER_CLUSTER = 128  # twice as many lower the inertia of the whole pool by 0.1 %, at twice the time
_SEEDING_POINTS = 16  # for seeding, a few dozen a centroid are enough
_SEEDING_WIDTH = 64  # dimensions in which seeds are sought
_SUMMED = 8_192  # points whose sums are made at once, at least
_SUBSAMPLE_ITERATIONS, _SUBSAMPLE_TOLERANCE = 4, 2e-3


def kmeans(
    X: NDArray[np.float32],
    clusters: int,
    rng: np.random.Generator,
    *,
    iterations: int = 4,
    tolerance: float = 1e-4,
) -> NDArray[np.float32]:
    """Centroids of `X`.

    Seeds on a few points a centroid, then Lloyd iterations on a subsample that doubles until it is all of `X`: most of
    the way is gone where an iteration is cheap.

    Args:
        X: (n, d) float32, a random sample of the pool.
        clusters: R, at most n.
        rng: public randomness; the same state gives the same centroids.
        iterations: most Lloyd iterations on all of `X`.
        tolerance: stop when an iteration lowers the inertia by less than this share.

    Returns:
        (R, d) float32. When `X` has fewer than R distinct points, some centroids coincide.

    Raises:
        InvalidInput: R < 1 or R > n.
    """
    check_possible(X, clusters)
    size = _SEEDING_POINTS * clusters
    if size >= len(X):
        return lloyd(X, seeds(X, clusters, rng), iterations, tolerance)
    # by chance, not every k-th: pools are often written in an order that repeats
    order = rng.permutation(len(X))
    C = seeds(X[np.sort(order[:size])], clusters, rng)
    while size < len(X):
        C = lloyd(X[np.sort(order[:size])], C, _SUBSAMPLE_ITERATIONS, _SUBSAMPLE_TOLERANCE)
        size *= 2
    return lloyd(X, C, iterations, tolerance)


def check_possible(X: NDArray[np.float32], clusters: int) -> None:
    """Raises InvalidInput when there are no clusters, or fewer points than clusters."""
    if not 1 <= clusters <= len(X):
        raise InvalidInput(f"{clusters} clusters need at least as many points; the sample has {len(X)}")


def lloyd(
    X: NDArray[np.float32],
    C: NDArray[np.float32],
    iterations: int,
    tolerance: float,
    search: Callable[
        [NDArray[np.float32]], Callable[[NDArray[np.float32]], NDArray[np.int32]]
    ] = NearestCentroid,
) -> NDArray[np.float32]:
    """Lloyd's iterations from the centroids `C`; `search` makes of centroids what labels points by them."""
    squares = np.einsum("ij,ij->i", X, X, dtype=np.float64).sum()
    previous = np.inf
    for _ in range(iterations):
        labels = search(C)(X)
        sums, sizes = cluster_sums(X, labels, len(C))
        means = sums / np.maximum(sizes, 1)[:, None]
        # Σ‖x − c‖² with c the mean of its cluster, without another pass over the points
        inertia = squares - float((sizes * np.einsum("ij,ij->i", means, means)).sum())
        C = np.where(sizes[:, None] > 0, means, C).astype(np.float32)
        empty = np.flatnonzero(sizes == 0)
        if len(empty):
            C[empty] = _farthest(X, C, labels, len(empty))
        elif inertia > previous * (1 - tolerance):
            break
        previous = inertia
    return C


def seeds(X: NDArray[np.float32], clusters: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(R, d) rows of `X` by k-means++, in a random projection where points are wide: a tenth of the time at d = 512.

    Lloyd's iterations make up for what the projection's distances are off (Makarychev, Makarychev and Razenshteyn,
    "Performance of Johnson–Lindenstrauss transform for k-means and k-medians clustering", STOC 2019).
    """
    narrow = X
    if X.shape[1] > _SEEDING_WIDTH:
        narrow = X @ rng.standard_normal((X.shape[1], _SEEDING_WIDTH), dtype=np.float32)
    return X[plus_plus(narrow, clusters, rng)]


def plus_plus(X: NDArray[np.float32], clusters: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Seeds by k-means++: each new one drawn with probability ∝ squared distance to the seeds so far, best of a few trials.

    Returns:
        (R,) rows of `X`; distinct points as long as `X` has distinct rows left.
    """
    trials = 2 + int(np.log(clusters))
    norms = np.einsum("ij,ij->i", X, X)
    chosen = np.empty(clusters, np.intp)
    chosen[0] = rng.integers(len(X))
    nearest = _squared_distances(X, norms, chosen[:1])[0]
    for j in range(1, clusters):
        total = np.cumsum(nearest, dtype=np.float64)
        if total[-1] <= 0:  # fewer distinct points than seeds: the rest may coincide
            chosen[j:] = rng.integers(len(X), size=clusters - j)
            break
        candidates = np.minimum(
            np.searchsorted(total, rng.random(trials) * total[-1], side="right"), len(X) - 1
        )
        distances = np.minimum(_squared_distances(X, norms, candidates), nearest)
        best = int(distances.sum(axis=1, dtype=np.float64).argmin())
        chosen[j], nearest = candidates[best], distances[best]
    return chosen


def cluster_sums(
    X: NDArray[np.float32], labels: NDArray[np.int32], clusters: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum and number of the points of each cluster: (R, d) float64 and (R,) int64."""
    sums = np.zeros((clusters, X.shape[1]))
    rows = max(_SUMMED, clusters)
    for start in range(0, len(X), rows):  # not at once: the product makes float64 of its points
        some = labels[start : start + rows]
        members = csc_array((np.ones(len(some)), some, np.arange(len(some) + 1)), (clusters, len(some)))
        sums += members @ X[start : start + rows]
    return sums, np.bincount(labels, minlength=clusters)


def _farthest(
    X: NDArray[np.float32], C: NDArray[np.float32], labels: NDArray[np.int32], count: int
) -> NDArray[np.float32]:
    """The points worst served by their centroid: where an empty cluster is of most use."""
    difference = X - C[labels]
    distances = np.einsum("ij,ij->i", difference, difference)
    return X[np.argsort(-distances, kind="stable")[:count]]


def _squared_distances(
    X: NDArray[np.float32], norms: NDArray[np.float32], rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    distances = norms[rows][:, None] - 2 * (X[rows] @ X.T) + norms
    distances[np.arange(len(rows)), rows] = 0
    return np.maximum(distances, 0, out=distances)
