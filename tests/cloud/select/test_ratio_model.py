import numpy as np
import pytest

from proxyset.cloud.kmeans import kmeans
from proxyset.cloud.select.ratio_model import log_density_ratio
from proxyset.cloud.select.strategy import Candidates, Coverage
from proxyset.nearest import nearest_centroid

RNG = np.random.default_rng(0)
Z = (RNG.normal(size=(4000, 6)) * 0.4).astype(np.float32)
CENTROIDS = kmeans(Z, 40, np.random.default_rng(1))
POOL = Candidates(Z, nearest_centroid(Z, CENTROIDS), CENTROIDS)


def ratio_of(candidates, coverage):
    return np.concatenate(list(log_density_ratio(candidates, coverage)))


def counts_of(private):
    return np.bincount(nearest_centroid(private, CENTROIDS), minlength=40).astype(float)


def client(count, seed=2):
    """Records of a known density: exp(3·z₀) times the pool's, up to a constant."""
    rng = np.random.default_rng(seed)
    weights = np.exp(3 * Z[:, 0].astype(float))
    return Z[rng.choice(len(Z), count, p=weights / weights.sum())]


def test_finds_a_known_ratio_also_inside_clusters():
    f = ratio_of(POOL, Coverage(counts_of(client(20_000)), 2.0))
    assert np.corrcoef(f, Z[:, 0])[0, 1] > 0.97
    largest = POOL.members(int(POOL.sizes.argmax()))
    assert np.corrcoef(f[largest], Z[largest, 0])[0, 1] > 0.7


def test_more_noise_gives_a_flatter_answer():
    """Seeded noise: no false alarms."""
    counts, rng = counts_of(client(1000)), np.random.default_rng(3)
    spreads = []
    for sigma in (1.0, 30.0, 1000.0):
        spreads.append(ratio_of(POOL, Coverage(counts + np.rint(rng.normal(0, sigma, 40)), sigma)).std())
    assert spreads[0] > spreads[1] > spreads[2]
    assert spreads[2] < spreads[0] / 5  # of log density


def test_counts_of_the_pool_itself_give_a_nearly_flat_answer():
    counts = counts_of(Z[np.random.default_rng(4).choice(len(Z), 1500)])
    assert ratio_of(POOL, Coverage(counts, 6.0)).std() < 0.15


@pytest.mark.parametrize(
    "counts",
    [np.zeros(40), np.full(40, -1e6), np.full(40, 1e9), np.eye(40)[3] * 1e9, np.eye(40)[3] * 2.0**53 - 245],
)
@pytest.mark.parametrize("sigma", [1e-9, 6.14, 1e6])
def test_absurd_counts_give_finite_answers(counts, sigma):
    f = ratio_of(POOL, Coverage(counts, sigma))
    assert f.shape == (4000,)
    assert np.isfinite(f).all()


def test_one_cluster_and_coinciding_centroids_say_nothing():
    one = Candidates(Z, np.zeros(4000, np.int32), Z[:1])
    assert np.ptp(ratio_of(one, Coverage(np.array([50.0]), 1.0))) < 20
    same = Candidates(np.zeros((10, 3), np.float32), np.zeros(10, np.int32), np.zeros((4, 3), np.float32))
    assert np.ptp(ratio_of(same, Coverage(np.array([9.0, 0, 0, 0]), 1.0))) < 1e-9


def sources_of(mix, seed=5):
    """A pool of two sources, `mix` of whose items alternate in every place, and a client that has the second only."""
    rng = np.random.default_rng(seed)
    codes = np.where(Z[:, 0] + mix * rng.normal(size=len(Z)) > 0, 2, 1).astype(np.uint8)
    return codes, Z[rng.choice(np.flatnonzero(codes == 2), 1000)]


def test_a_source_that_the_client_is_like_is_found_where_features_cannot_tell():
    codes, private = sources_of(0.4)
    counts = counts_of(private) + np.rint(np.random.default_rng(6).normal(0, 6.14, 40))
    with_sources = Candidates(POOL.Z, POOL.clusters, POOL.centroids, {"source": codes})
    gap = [
        f[codes == 2].mean() - f[codes == 1].mean()
        for f in (ratio_of(POOL, Coverage(counts, 6.14)), ratio_of(with_sources, Coverage(counts, 6.14)))
    ]
    assert gap[1] > gap[0] + 0.5


def test_sources_at_random_change_little():
    codes = np.random.default_rng(7).integers(1, 6, len(Z)).astype(np.uint8)
    counts = counts_of(client(1000)) + np.rint(np.random.default_rng(8).normal(0, 6.14, 40))
    plain = ratio_of(POOL, Coverage(counts, 6.14))
    found = ratio_of(
        Candidates(POOL.Z, POOL.clusters, POOL.centroids, {"source": codes}), Coverage(counts, 6.14)
    )
    assert np.corrcoef(plain, found)[0, 1] > 0.9
