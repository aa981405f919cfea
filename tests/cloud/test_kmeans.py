import numpy as np
import pytest
from sklearn.cluster import KMeans

from proxyset.cloud.kmeans import cluster_sums, kmeans, plus_plus
from proxyset.errors import InvalidInput
from proxyset.nearest import nearest_centroid


def inertia(X, C):
    return float(np.square(X - C[nearest_centroid(X, C)]).sum())


def test_inertia_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    X = (
        rng.normal(size=(5000, 16)).astype(np.float32)
        + rng.normal(size=(40, 16))[rng.integers(40, size=5000)].astype(np.float32) * 3
    )
    ours = np.mean([inertia(X, kmeans(X, 50, np.random.default_rng(seed))) for seed in range(3)])
    theirs = np.mean([KMeans(50, n_init=1, random_state=seed).fit(X).inertia_ for seed in range(3)])
    assert ours < 1.02 * theirs


def test_the_same_seed_gives_the_same_bytes():
    X = np.random.default_rng(0).normal(size=(9000, 8)).astype(np.float32)
    one, two = (kmeans(X, 30, np.random.default_rng(7)) for _ in range(2))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(("n", "R"), [(1, 1), (2, 2), (5, 5), (300, 299)])
def test_every_point_its_own_centroid(n, R):
    X = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    C = kmeans(X, R, np.random.default_rng(0))
    assert C.shape == (R, 3)
    assert len(np.unique(nearest_centroid(X, C))) == R


def test_fewer_distinct_points_than_clusters():
    X = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    C = kmeans(X, 8, np.random.default_rng(0))
    assert np.isfinite(C).all()
    assert inertia(X, C) == pytest.approx(0, abs=1e-9)


def test_cluster_sums_equal_a_loop():
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(200, 4)).astype(np.float32), rng.integers(0, 9, 200).astype(np.int32)
    sums, sizes = cluster_sums(X, labels, 12)
    for j in range(12):
        np.testing.assert_allclose(sums[j], X[labels == j].sum(axis=0), rtol=1e-4, atol=1e-5)
        assert sizes[j] == (labels == j).sum()


def test_seeds_are_distinct_rows():
    X = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    assert len(np.unique(plus_plus(X, 100, np.random.default_rng(1)))) == 100


def test_seeds_sought_in_a_projection_serve_as_well(monkeypatch):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(60, 300))[rng.integers(60, size=4000)] * 2 + rng.normal(size=(4000, 300))).astype(
        np.float32
    )
    narrow = np.mean([inertia(X, kmeans(X, 80, np.random.default_rng(seed))) for seed in range(3)])
    monkeypatch.setattr("proxyset.cloud.kmeans._SEEDING_WIDTH", 300)
    wide = np.mean([inertia(X, kmeans(X, 80, np.random.default_rng(seed))) for seed in range(3)])
    assert narrow < 1.01 * wide


@pytest.mark.parametrize("R", [0, 11])
def test_impossible_numbers_of_clusters(R):
    with pytest.raises(InvalidInput, match="10"):
        kmeans(np.zeros((10, 2), np.float32), R, np.random.default_rng(0))


@pytest.mark.parametrize("period", [2, 6, 7])
def test_a_pool_whose_order_repeats_loses_no_blob(period):
    rng = np.random.default_rng(period)
    blobs = (rng.normal(size=(period, 8)) * 20)[np.arange(6000) % period]
    X = (blobs + rng.normal(size=blobs.shape)).astype(np.float32)
    for seed in range(5):
        labels = nearest_centroid(X, kmeans(X, 2 * period, np.random.default_rng(seed)))
        for cluster in range(2 * period):
            assert len(np.unique(np.flatnonzero(labels == cluster) % period)) <= 1
