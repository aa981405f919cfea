"""What speed is measured on: the data of each case, ours, and the alternatives by name.

A contender takes a case's data and returns a result by which `quality` judges it; only its own time is counted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.client.vote import Voter
from proxyset.cloud.kmeans import POINTS_PER_CLUSTER, kmeans
from proxyset.cloud.kmeans_tree import FLAT, kmeans_tree
from proxyset.cloud.select.facility import facility_location
from proxyset.cloud.select.kcenter import farthest_first
from proxyset.encoders.encoder import EncoderSpec
from proxyset.nearest import nearest_centroid
from proxyset.wire.probe import Probe

Matrix = NDArray[np.float32]
_WIDTH = 8.0
_EFFORTS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64, 128)  # points a centroid
_JUDGED = 50_000  # points by whose inertia the effort is found
_HIERARCHICAL = "SuperKMeans, hierarchical"
_EQUAL = (
    (64, 1000, 300_000),
    (64, 10_000, 400_000),
    (512, 1000, 100_000),
    (512, 10_000, 100_000),
    (1024, 1000, 60_000),
)  # dimensions, centroids, points
_TORCH_PICKS = 20  # of the loop whose every pick costs the same: the time of all picks follows


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        title: what is computed.
        data: its input, the same in every process.
        contenders: name → function of data and round; "ours" is one of them.
        quality: of a result, in the unit that `measure` names.
        scale: contender → by how much its time is multiplied (1 where it is not named).
    """

    title: str
    data: Callable[[], Any]
    contenders: dict[str, Callable[[Any, int], Any]]
    quality: Callable[[Any, Any], float]
    measure: str
    scale: dict[str, float]


def normal(n: int, d: int, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def blobs(n: int, d: int = 64, count: int = 2500) -> Matrix:
    """Gaussian blobs of unequal size whose spread falls from dimension to dimension, as principal components do."""
    rng = np.random.default_rng(0)
    centres = normal(count, d, 1) * np.linspace(2, 0.3, d, dtype=np.float32)
    shares = rng.dirichlet(np.ones(count))
    X = 0.7 * normal(n, d, 2)
    X += centres[rng.choice(count, n, p=shares)]
    return X


def assignment(d: int, R: int, n: int = 100_000) -> Case:
    return Case(
        f"nearest of {R:,} centroids, {n:,} × {d}",
        lambda: (normal(n, d), normal(R, d, 1)),
        {
            "ours": lambda data, _: nearest_centroid(*data),
            "faiss": lambda data, _: _faiss_nearest(*data),
            "scikit-learn": lambda data, _: _sklearn_nearest(*data),
        },
        lambda data, labels: float((labels[:10_000] == _float64_nearest(*data)).mean()),
        "labels equal to float64",
        {},
    )


def votes(d: int, R: int, n: int = 20_000) -> Case:
    return Case(
        f"votes for the nearest of {R:,} centroids, {n:,} × {d}",
        lambda: (normal(n, d), normal(R, d, 1)),
        {
            "ours": lambda data, _: _exact_votes(*data),
            "NumPy, float32": lambda data, _: _float32_nearest(*data),
            "scikit-learn": lambda data, _: _sklearn_nearest(*data),
        },
        lambda data, labels: float((labels[:10_000] == _float64_nearest(*data)).mean()),
        "votes equal to float64",
        {},
    )


def clustering(n: int = 1_000_000, R: int = 1000) -> Case:
    return Case(
        f"K-means with {R:,} centroids and all labels, {n:,} × 64",
        lambda: blobs(n),
        {
            "ours": lambda X, seed: _kmeans(X, R, seed),
            "MiniBatchKMeans": lambda X, seed: _minibatch(X, R, seed),
            "faiss": lambda X, seed: _faiss_kmeans(X, R, seed),
            "SuperKMeans": lambda X, seed: _super_kmeans(X, R, seed),
        },
        lambda X, C: _inertia(X, C) / len(X),
        "inertia an item",
        {},
    )


def equal_inertia(d: int, R: int, n: int, hierarchical: bool) -> Case:
    """Ours is given as few points a centroid as reach the inertia of a form of SuperKMeans, by data of another seed."""
    rival = _HIERARCHICAL if hierarchical else "SuperKMeans"

    def data() -> tuple[Matrix, int]:
        X, rows = blobs(n, d), np.random.default_rng(3).choice(n, min(n, _JUDGED), replace=False)
        aim = _inertia(X[rows], _super_kmeans(X, R, 99, hierarchical))
        for points in _EFFORTS:
            if _inertia(X[rows], _fitted(X, R, 99, points)) <= aim:
                break
        return X, points

    return Case(
        f"K-means to equal inertia, {R:,} centroids and all labels, {n:,} × {d}",
        data,
        {
            "ours": lambda data, seed: _kmeans(data[0], R, seed, data[1]),
            rival: lambda data, seed: _super_kmeans(data[0], R, seed, hierarchical),
        },
        lambda data, C: _inertia(data[0], C) / n,
        "inertia an item",
        {},
    )


def kcenter(n: int = 1_000_000, picks: int = 1000) -> Case:
    return Case(
        f"greedy k-center, {picks:,} of {n:,} × 64",
        lambda: blobs(n),
        {
            "ours": lambda X, _: farthest_first(X, picks, first=0)[0],
            "NumPy matrix-vector": lambda X, _: matrix_vector(X, picks),
            "torch loop": lambda X, _: _torch_loop(X, _TORCH_PICKS),
        },
        lambda X, rows: float((rows == farthest_first(X, len(rows), first=0)[0]).mean()),
        "picks equal to ours",
        {"torch loop": picks / _TORCH_PICKS},
    )


def facility(n: int = 5000, picks: int = 500) -> Case:
    return Case(
        f"facility location, {picks:,} of {n:,} × 64",
        lambda: blobs(n, count=200),
        {
            "ours": lambda X, _: facility_location(X, X, picks, width=_WIDTH)[0],
            "submodlib": lambda X, _: _submodlib(X, picks),
            "apricot": lambda X, _: _apricot(X, picks),
        },
        lambda X, rows: float(_similarities(X)[:, rows].max(axis=1).sum()),
        "objective",
        {},
    )


CASES: dict[str, Callable[[], Case]] = {
    "assign-64-1000": functools.partial(assignment, 64, 1000),
    "assign-64-4096": functools.partial(assignment, 64, 4096),
    "assign-512-1000": functools.partial(assignment, 512, 1000, 50_000),
    "assign-512-4096": functools.partial(assignment, 512, 4096, 50_000),
    "votes-512-100": functools.partial(votes, 512, 100),
    "votes-512-1000": functools.partial(votes, 512, 1000),
    "kmeans": clustering,
    **{
        f"kmeans-{form}-{d}-{R}": functools.partial(equal_inertia, d, R, n, form == "hierarchical")
        for d, R, n in _EQUAL
        for form in ("equal", "hierarchical")
    },
    "k-center": kcenter,
    "facility": facility,
}


def matrix_vector(X: NDArray[np.floating], picks: int) -> NDArray[np.intp]:
    """Greedy k-center as it is usually written in NumPy: every point meets every centre."""
    norms = np.einsum("ij,ij->i", X, X)
    bounds, rows = np.full(len(X), np.inf, X.dtype), np.zeros(picks, np.intp)
    for pick in range(1, picks):
        row = rows[pick - 1]
        np.minimum(bounds, norms - 2 * (X @ X[row]) + norms[row], out=bounds)
        rows[pick] = bounds.argmax()
    return rows


def _torch_loop(X: Matrix, picks: int) -> NDArray[np.intp]:
    """The loop of anomalib's and lightly's k-center: a difference, a norm and a minimum over all points for each pick."""
    import torch

    torch.set_num_threads(1)
    points, row = torch.from_numpy(X), 0
    nearest, rows = torch.full((len(X),), torch.inf), []
    for _ in range(picks):
        rows.append(row)
        nearest = torch.minimum(nearest, torch.linalg.norm(points - points[row], dim=1))
        row = int(nearest.argmax())
    return np.array(rows)


def _kmeans(X: Matrix, R: int, seed: int, points: int = POINTS_PER_CLUSTER) -> Matrix:
    C = _fitted(X, R, seed, points)
    nearest_centroid(X, C)
    return C


def _fitted(X: Matrix, R: int, seed: int, points: int) -> Matrix:
    rng = np.random.default_rng(seed)
    sample = X[np.sort(rng.choice(len(X), min(len(X), points * R), replace=False))]
    return (kmeans if R <= FLAT else kmeans_tree)(sample, R, rng)


def _super_kmeans(X: Matrix, R: int, seed: int, hierarchical: bool = False) -> Matrix:
    from superkmeans import SuperKMeans

    fitted = SuperKMeans(R, X.shape[1], hierarchical=hierarchical, seed=seed + 1, n_threads=1)
    C = fitted.train(X)
    fitted.assign(X, C)
    return np.asarray(C, np.float32)


def _minibatch(X: Matrix, R: int, seed: int) -> Matrix:
    from sklearn.cluster import MiniBatchKMeans

    fitted = MiniBatchKMeans(R, n_init=1, random_state=seed).fit(X)  # labels included
    return np.asarray(fitted.cluster_centers_, np.float32)


def _faiss_kmeans(X: Matrix, R: int, seed: int) -> Matrix:
    import faiss

    fitted = faiss.Kmeans(X.shape[1], R, seed=seed + 1)
    fitted.train(X)
    fitted.index.search(X, 1)
    return np.asarray(fitted.centroids)


def _inertia(X: Matrix, C: Matrix) -> float:
    return sum(
        float(np.square(block - C[nearest_centroid(block, C)]).sum(dtype=np.float64))
        for block in np.array_split(X, max(1, len(X) // 65_536))
    )


def _faiss_nearest(X: Matrix, C: Matrix) -> NDArray[np.integer]:
    import faiss

    index = faiss.IndexFlatL2(X.shape[1])
    index.add(C)
    labels: NDArray[np.integer] = index.search(X, 1)[1][:, 0]
    return labels


def _exact_votes(X: Matrix, C: Matrix) -> NDArray[np.integer]:
    """As a client votes: in whole numbers, so that no record's vote depends on what is beside it."""
    probe = Probe.build(C, EncoderSpec(name="embeddings", dim=X.shape[1]), "0" * 64, dtype="float32")
    return Voter(probe)(X)


def _float32_nearest(X: Matrix, C: Matrix) -> NDArray[np.integer]:
    scores = X @ C.T
    scores -= np.einsum("ij,ij->i", C, C) / 2
    nearest: NDArray[np.integer] = scores.argmax(axis=1)
    return nearest


def _sklearn_nearest(X: Matrix, C: Matrix) -> NDArray[np.integer]:
    from sklearn.metrics import pairwise_distances_argmin

    return np.asarray(pairwise_distances_argmin(X, C))


def _float64_nearest(X: Matrix, C: Matrix) -> NDArray[np.intp]:
    centres = C.astype(np.float64)
    scores = X[:10_000].astype(np.float64) @ centres.T - 0.5 * np.square(centres).sum(axis=1)
    labels: NDArray[np.intp] = scores.argmax(axis=1)
    return labels


def _similarities(X: Matrix) -> Matrix:
    norms = np.square(X).sum(axis=1)
    squares = norms[:, None] + norms - 2 * (X @ X.T)
    similarities: Matrix = np.exp(-np.maximum(squares, 0) / np.float32(_WIDTH) ** 2)
    return similarities


def _submodlib(X: Matrix, picks: int) -> list[int]:
    import submodlib

    function = submodlib.FacilityLocationFunction(
        n=len(X), mode="dense", separate_rep=False, sijs=_similarities(X)
    )
    greedy = function.maximize(picks, "LazyGreedy", False, False, verbose=False, show_progress=False)
    return [row for row, _ in greedy]


def _apricot(X: Matrix, picks: int) -> list[int]:
    import apricot

    fitted = apricot.FacilityLocationSelection(picks, metric="precomputed", optimizer="lazy")
    return [int(row) for row in fitted.fit(_similarities(X).astype(np.float64)).ranking]
