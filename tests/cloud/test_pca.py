import numpy as np
import pytest
from sklearn.decomposition import PCA

from proxyset.cloud.pca import fit_projection
from proxyset.errors import InvalidInput


@pytest.mark.parametrize(("unit", "offset"), [(1.0, 0.0), (1e-8, 3.0), (1e6, 100.0)])
def test_components_are_those_of_scikit_learn(unit, offset):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(2000, 10)) * np.arange(1, 11) * unit + offset * unit).astype(np.float32)
    projection = fit_projection(X, 4)
    theirs = PCA(4).fit(X.astype(np.float64))
    cosines = np.abs(np.sum((projection.matrix * projection.scale).T * theirs.components_, axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    Z = projection(X)
    np.testing.assert_allclose(Z.var(axis=0), theirs.explained_variance_ / projection.scale**2, rtol=1e-2)


def test_all_dimensions_keep_distances_up_to_the_scale():
    X = np.random.default_rng(1).normal(size=(50, 7)).astype(np.float32)
    projection = fit_projection(X, 7)
    Z = projection(X)
    np.testing.assert_allclose(
        np.linalg.norm(Z[:, None] - Z, axis=2) * projection.scale,
        np.linalg.norm(X[:, None] - X, axis=2),
        atol=1e-4,
    )
    np.testing.assert_allclose(projection.back(Z), X, atol=1e-4)
    assert np.sqrt(np.square(Z).sum(axis=1).mean()) == pytest.approx(1, abs=1e-3)


def test_a_pool_of_equal_points():
    projection = fit_projection(np.full((5, 3), 2.5, np.float32), 2)
    assert np.abs(projection(np.full((5, 3), 2.5, np.float32))).max() == 0


@pytest.mark.parametrize("dim", [0, 4])
def test_impossible_dimensions(dim):
    with pytest.raises(InvalidInput, match="3 features"):
        fit_projection(np.ones((5, 3), np.float32), dim)
