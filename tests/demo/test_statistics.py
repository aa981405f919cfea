import numpy as np
import pytest
from scipy import stats

from proxyset.demo.statistics import paired_gain, spread
from proxyset.errors import InvalidInput


def test_the_interval_is_students():
    differences = np.random.default_rng(0).normal(size=12)
    gain = paired_gain(list(differences))
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert gain.mean - gain.half_width == pytest.approx(low) and gain.mean + gain.half_width == pytest.approx(
        high
    )
    assert paired_gain([0.5]).half_width is None
    with pytest.raises(InvalidInput):
        paired_gain([])


def test_spread():
    assert spread([0.2]).sd == 0.0
    assert spread([0.2, 0.4]).sd == pytest.approx(0.1 * 2**0.5)
