import numpy as np
import pytest

from proxyset.errors import InvalidInput
from proxyset.nearest import nearest_centroid


def slow_nearest(X, C):
    X, C = X.astype(np.float64), C.astype(np.float64)
    return np.array([np.square(C - x).sum(axis=1).argmin() for x in X])


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize(
    ("n", "R", "d"), [(1, 1, 1), (7, 3, 2), (500, 100, 64), (40, 5000, 3), (5000, 300, 17)]
)
def test_equals_the_definition(n, R, d, offset, unit):
    rng = np.random.default_rng([n, R, d])
    X = ((rng.normal(size=(n, d)) + offset) * unit).astype(np.float32)
    C = ((rng.normal(size=(R, d)) + offset) * unit).astype(np.float32)
    labels = nearest_centroid(X, C)
    assert labels.dtype == np.int32
    expected = slow_nearest(X, C)
    # float32 may choose the other of two centroids that are equally far to seven digits
    differing = np.flatnonzero(labels != expected)
    assert len(differing) <= 0.002 * n
    for row in differing:
        chosen, best = (
            np.linalg.norm(X[row].astype(float) - C[j].astype(float)) for j in (labels[row], expected[row])
        )
        assert chosen == pytest.approx(best, rel=1e-4)


def test_of_equally_near_centroids_the_first_wins():
    C = np.array([[1.0, 0], [1.0, 0], [0, 1.0]], np.float32)
    assert nearest_centroid(np.zeros((3, 2), np.float32), C).tolist() == [0, 0, 0]


def test_no_points_give_no_labels():
    assert nearest_centroid(np.empty((0, 2), np.float32), np.ones((3, 2), np.float32)).shape == (0,)


@pytest.mark.parametrize(
    "C", [np.empty((0, 2)), np.ones(3), np.array([[np.nan, 1.0]]), np.array([[np.inf, 1.0]])]
)
def test_impossible_centroids_are_refused(C):
    with pytest.raises(InvalidInput, match="centroids"):
        nearest_centroid(np.ones((1, 2), np.float32), C)
