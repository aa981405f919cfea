"""The lab's study of persons counts as the client does."""

from collections import Counter

import numpy as np
import pytest

from proxyset_lab.persons import CLUSTERS, Pair, by_length, tables


def test_persons_are_counted_as_the_client_counts_them():
    rng = np.random.default_rng(0)
    votes, persons = rng.integers(CLUSTERS, size=400), rng.integers(40, size=400)
    found = by_length(votes, persons, 10, 256)
    expected = np.zeros(CLUSTERS)
    for person in range(40):
        h = Counter(votes[persons == person].tolist())
        scale = min(1, np.sqrt(10 / sum(n**2 for n in h.values())))
        for cluster, n in h.items():
            expected[cluster] += np.floor(256 * n * scale + 1e-9) / 256
    np.testing.assert_allclose(found, expected)


def test_a_table_has_a_row_for_each_data_set_and_for_all():
    pairs = [
        Pair(data_set, domain, dealt, 300, (0.5, 0.1), (0.6, 0.3))
        for data_set, domain in (("digits", "synth"), ("digits", "mnist"), ("sentiment", "imdb"))
        for dealt in ("at random", "alike")
    ]
    others, designed = tables(pairs)
    assert len(others.rows) == 3 * 2 and len(designed.rows) == 2  # two data sets and "all"; one data set
    assert others.text[4] == ("all", "at random", "+10.0 ± 0.0*", "+20.0 ± 0.0*", "50.0", "60.0")


@pytest.mark.parametrize("weights", [(1.0,), (0.8, 0.6)])
def test_one_vote_is_the_weight_vector_of_one(weights):
    """The study's model with weights (1) is the product's; with others its rates are the pool's weights times its shares."""
    from proxyset.cloud.select import ratio_model
    from proxyset.cloud.select.strategy import Coverage
    from proxyset_lab.ranked import RankedFit, shares
    from tests.cloud.select.test_ratio_model import POOL

    given = np.array(weights)
    counts = shares(POOL.Z[:500], POOL.centroids, given)
    coverage = Coverage(counts, 3.0)
    ours, own = RankedFit(POOL, coverage, given), ratio_model._Fit(POOL, coverage)
    F = own.features(2.0)
    spread = np.full(F.shape[1], 1.5)
    if weights == (1.0,):
        evidence, theta = own.mode(F, spread)
        found, mode = ours.mode(F, spread)
        assert found == pytest.approx(evidence, abs=1e-6)
        np.testing.assert_allclose(mode, theta, atol=1e-6)
    else:
        flat, _ = ours._objective(np.zeros(ours.sample.shape), np.zeros(F.shape[1]))
        level = np.exp(ours._level)
        np.testing.assert_allclose(
            ours._a @ flat.ravel(), level * shares(POOL.Z, POOL.centroids, given), rtol=0.2, atol=1.0
        )
