import numpy as np
import pytest

from proxyset_lab.noise import discrete_gaussian


@pytest.mark.parametrize("sigma", [0.5, 6.0])
def test_noise_has_its_mean_and_variance(sigma):
    """False alarm below 1e-6: both lie within five standard errors."""
    n = 100_000
    found = discrete_gaussian(sigma, (n // 100, 100))
    values = np.arange(-200, 201)
    mass = np.exp(-np.square(values / sigma) / 2)
    variance = (mass * np.square(values)).sum() / mass.sum()
    assert found.shape == (1000, 100) and found.dtype == np.int64
    assert abs(found.mean()) < 5 * np.sqrt(variance / n)
    assert abs(found.var() - variance) < 5 * variance * np.sqrt(3 / n)
