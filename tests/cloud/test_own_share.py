import numpy as np
import pytest

from proxyset.cloud.own_share import _regions, own_share_at_most, own_share_words
from proxyset.cloud.select import Candidates, Coverage
from proxyset.nearest import nearest_centroid

R, ITEMS = 40, 4000


def world(seed, share, apart, records, sigma):
    """A pool of which `share` is drawn as the clients' records are, and their noisy counts; others lie `apart` of them."""
    rng = np.random.default_rng(seed)
    own = rng.random(ITEMS) < share
    pool = rng.normal(size=(ITEMS, 2)) + np.where(own[:, None], [apart, 0], [0, 0])
    centroids = pool[rng.choice(ITEMS, R, replace=False)].astype(np.float32)
    votes = nearest_centroid(
        (rng.normal(size=(records, 2)) + np.array([apart, 0])).astype(np.float32), centroids
    )
    counts = np.bincount(votes, minlength=R) + np.round(rng.normal(scale=sigma, size=R))
    clusters = nearest_centroid(pool.astype(np.float32), centroids).astype(np.int32)
    found = Candidates(pool.astype(np.float32), clusters, centroids)
    return found, Coverage(counts.astype(np.float64), sigma)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5])
@pytest.mark.parametrize(
    ("apart", "records", "sigma"), [(0.5, 60, 6.0), (3, 1000, 6.0), (3, 1000, 0.5), (6, 300, 2.0)]
)
def test_the_bound_holds(share, apart, records, sigma):
    """At 95 % at most 5 % of bounds may fail; more than 8 of 60 would happen in 1 of 500 such tests."""
    bounds = [own_share_at_most(*world(seed, share, apart, records, sigma)) for seed in range(60)]
    assert sum(bound < share for bound in bounds) <= 8
    assert all(0 < bound <= 1 for bound in bounds)


def test_it_tells_a_pool_without_the_kind_where_the_kinds_lie_apart():
    none = [own_share_at_most(*world(seed, 0.0, 5, 1000, 2.0)) for seed in range(5)]
    much = [own_share_at_most(*world(seed, 0.2, 5, 1000, 2.0)) for seed in range(5)]
    assert max(none) < 0.15 < 0.2 < min(much)


def test_it_cannot_tell_where_the_kinds_are_alike():
    assert own_share_at_most(*world(0, 0.0, 0, 1000, 2.0)) > 0.5
    assert own_share_at_most(*world(0, 0.1, 3, 1, 50.0)) == 1


def test_without_noise_and_with_many_records_it_is_the_smallest_ratio():
    pool, coverage = world(0, 0.1, 3, 10, 1e-9)
    clusters = np.bincount(pool.clusters, minlength=R)
    counts = coverage.counts * 1e7
    many = Candidates(pool.Z, np.repeat(np.arange(R), clusters).astype(np.int32), pool.centroids)
    Q, P = counts / counts.sum(), clusters / ITEMS
    held = [(P[region].sum(), Q[region].sum()) for region in _regions(pool.centroids)]
    smallest = min(p / q for p, q in held if q > 0)
    assert smallest <= own_share_at_most(many, Coverage(counts, 1e-9)) <= smallest + 0.15


def test_regions_are_halves_down_to_single_clusters():
    regions = list(_regions(np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)))
    assert len(regions) == 2 * 7 - 2
    assert sorted(int(r[0]) for r in regions if len(r) == 1) == list(range(7))
    assert not list(_regions(np.zeros((1, 3), np.float32)))


def test_words_say_what_is_bounded():
    assert own_share_words(None) == ""
    assert "leave open" in own_share_words(1.0)
    assert "At most 12 % of the pool" in own_share_words(0.1234) and "it may be none" in own_share_words(
        0.1234
    )
