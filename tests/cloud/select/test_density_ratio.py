import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.cloud.kmeans import kmeans
from proxyset.cloud.pca import fit_projection
from proxyset.cloud.select import DEFAULT_STRATEGY, STRATEGIES
from proxyset.cloud.select.density_ratio import DensityRatio
from proxyset.cloud.select.strategy import Candidates, Coverage
from proxyset.errors import InvalidInput
from proxyset.nearest import nearest_centroid

RULE = DensityRatio()


def pool(n, d, clusters, values, seed):
    """n points on a small grid, so that many coincide; with values = 1 all do."""
    rng = np.random.default_rng(seed)
    Z = rng.integers(0, values, (n, d)).astype(np.float32)
    centroids = kmeans(Z, clusters, rng)
    return Candidates(Z, nearest_centroid(Z, centroids), centroids)


@settings(max_examples=20, deadline=None)
@given(st.data(), st.integers(2, 40), st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_exactly_the_budget_for_any_release(data, n, d, values, seed):
    clusters = data.draw(st.integers(1, n))
    budget = data.draw(st.integers(1, n))
    counts = np.array(
        data.draw(st.lists(st.integers(-(10**9), 10**9), min_size=clusters, max_size=clusters)), float
    )
    sigma = data.draw(st.sampled_from([0.5, 6.14, 1e4]))
    candidates, coverage = pool(n, d, clusters, values, seed), Coverage(counts, sigma)
    ranking = RULE.rank(candidates, coverage, budget, np.random.default_rng(seed))
    assert (
        len(np.unique(ranking.rows))
        == len(ranking.rows)
        == len(ranking.scores)
        == len(ranking.reasons)
        == budget
    )
    assert np.isfinite(ranking.scores).all()
    again = RULE.rank(candidates, coverage, budget, np.random.default_rng(seed))
    assert again.rows.tolist() == ranking.rows.tolist()


@pytest.mark.parametrize("seed", range(8))
def test_centroids_that_only_rounding_tells_apart(seed):
    """Of a pool with two distinct items and three clusters, two centroids are one up to rounding."""
    rng = np.random.default_rng(seed)
    ends = rng.normal(size=(2, 89)) / 7
    Z = ends[np.arange(16) % 2] * (1 + 5e-8 * rng.normal(size=(16, 1)))
    centroids = Z[[0, 1, 3]].astype(np.float32)
    Z = Z.astype(np.float32)
    candidates = Candidates(Z, nearest_centroid(Z, centroids), centroids)
    ranking = RULE.rank(candidates, Coverage(np.array([-8.0, 4.0, -5.0]), 6.14), 9, np.random.default_rng(0))
    assert np.isfinite(ranking.scores).all() and len(np.unique(ranking.rows)) == 9


def test_it_is_the_default_and_needs_a_release():
    assert STRATEGIES.find(DEFAULT_STRATEGY) == RULE
    with pytest.raises(InvalidInput, match="needs a release"):
        RULE.rank(pool(5, 2, 2, 4, 0), None, 2, np.random.default_rng(0))


def test_many_candidates_are_ranked_in_parts():
    candidates = pool(9000, 2, 10, 100, 0)
    ranking = RULE.rank(candidates, Coverage(np.arange(10.0) * 9, 6.14), 2500, np.random.default_rng(0))
    assert len(np.unique(ranking.rows)) == 2500


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits as they are, mirrored, and turned by 90°: three domains of one task."""
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    domains = [images, images[:, :, ::-1], np.rot90(images, axes=(1, 2))]
    X = np.concatenate([domain.reshape(len(images), -1) for domain in domains]).astype(np.float32)
    return X, np.tile(labels, 3), np.repeat([0, 1, 2], len(images))


def accuracies(digits, seed, sigma, budget, names):
    """Accuracy on the first domain's test items of a classifier trained on each strategy's picks."""
    from sklearn.linear_model import LogisticRegression

    X, y, domain = digits
    rng = np.random.default_rng(seed)
    own = rng.permutation(np.flatnonzero(domain == 0))
    client, test, public = np.split(own, [700, 1300])
    rows = np.concatenate([public, np.flatnonzero(domain != 0)])
    project = fit_projection(X[rows], 64)
    Z = project(X[rows])
    centroids = kmeans(Z, 80, rng)
    counts = np.bincount(nearest_centroid(project(X[client]), centroids), minlength=80)
    coverage = Coverage(counts + np.rint(rng.normal(0, sigma, 80)), sigma)
    candidates = Candidates(Z, nearest_centroid(Z, centroids), centroids)
    results = []
    for name in names:
        picked = rows[
            STRATEGIES.find(name).rank(candidates, coverage, budget, np.random.default_rng(seed)).rows
        ]
        model = LogisticRegression(C=0.1, max_iter=200, tol=1e-3).fit(X[picked] / 16, y[picked])
        results.append(model.score(X[test] / 16, y[test]))
    return results


def test_on_real_digits_a_release_helps_and_noise_does_no_harm(digits):
    """Seeded: no false alarms."""
    names = ["density-ratio", "random", "k-center", "ecos"]
    informed = np.array([accuracies(digits, seed, 6.14, 150, names) for seed in range(3)]).mean(axis=0)
    assert informed[0] > informed[1:3].max() + 0.05
    assert informed[0] > informed[3] - 0.02
    blind = np.array([accuracies(digits, seed, 1000.0, 150, names) for seed in range(3)]).mean(axis=0)
    assert blind[0] > blind[1:3].max() - 0.02


def test_every_strategy_is_registered_by_its_name():
    assert all(strategy.name == name for name, strategy in STRATEGIES.own.items())
