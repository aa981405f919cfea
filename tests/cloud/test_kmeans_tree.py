import numpy as np
import pytest

from proxyset.cloud.kmeans import kmeans
from proxyset.cloud.kmeans_tree import TreeNearest, kmeans_tree
from proxyset.errors import InvalidInput
from proxyset.nearest import nearest_centroid


def blobs(n, d=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(300, d)) * 3
    return (centres[rng.integers(300, size=n)] + rng.normal(size=(n, d))).astype(np.float32)


def inertia(X, C):
    return float(np.square(X - C[nearest_centroid(X, C)]).sum())


def test_inertia_is_near_that_of_one_level():
    X = blobs(20_000)
    one = inertia(X, kmeans(X, 400, np.random.default_rng(0)))
    assert inertia(X, kmeans_tree(X, 400, np.random.default_rng(0))) < 1.06 * one


@pytest.mark.parametrize(("n", "R"), [(1, 1), (5, 5), (300, 299), (3000, 1000)])
def test_there_are_as_many_as_asked(n, R):
    C = kmeans_tree(blobs(n), R, np.random.default_rng(0))
    assert C.shape == (R, 8)
    assert len(np.unique(C, axis=0)) == R


def test_the_same_seed_gives_the_same_bytes():
    X = blobs(5000)
    one, two = (kmeans_tree(X, 200, np.random.default_rng(3)).tobytes() for _ in range(2))
    assert one == two


def test_the_search_agrees_with_the_exact_one():
    X, C = blobs(40_000) + 50, blobs(2000, seed=1) + 50
    exact = nearest_centroid(X, C)
    assert (TreeNearest(C)(X) == exact).mean() > 0.99
    assert (TreeNearest(C, probes=len(C))(X) == exact).mean() > 0.999
    assert TreeNearest(C)(X[:0]).shape == (0,)


def test_equal_centroids():
    C = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    assert (C[TreeNearest(C)(C)] == C).all()


def test_no_cell_is_much_larger_than_others():
    """Where dimensions are many, most points are nearest to a cell in the middle."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(600, 256)) * 3 / np.sqrt(1 + np.arange(256) / 4)
    C = (centres[rng.integers(600, size=4000)] + rng.normal(size=(4000, 256))).astype(np.float32)
    tree = TreeNearest(C)
    sizes = [len(rows) for rows in tree._members]
    assert max(sizes) < 3 * np.mean(sizes) and len(sizes) < 2 * np.sqrt(len(C))
    assert (tree(C) == np.arange(len(C))).all()


@pytest.mark.parametrize("R", [0, 11])
def test_impossible_numbers_of_clusters(R):
    with pytest.raises(InvalidInput, match="10"):
        kmeans_tree(np.zeros((10, 2), np.float32), R, np.random.default_rng(0))
