from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.demo.drawing import SIZE, enlarge, pen_digit, photo_patch, printed

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=8, max_size=8))
def test_the_pen_passes_every_point(points):
    image = pen_digit(np.array(points, float), 2.5)
    assert image.shape == (SIZE, SIZE, 3)
    for x, y in points:
        assert image[round(6 + (100 - y) * 0.2 - 0.5), round(6 + x * 0.2 - 0.5), 0] > 60


@settings(max_examples=20)
@given(st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_printed_characters_can_be_read_without_colour(digit, seed):
    image = printed(str(digit), "0123456789", FONT, np.random.default_rng(seed))
    grey = image @ (0.299, 0.587, 0.114)
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    assert np.ptp(grey) >= 30


def test_printed_characters_follow_the_generator():
    one, same, other = (printed("3", "0123456789", FONT, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.parametrize("shape", [(130, 300, 3), (427, 640, 3)])
def test_patches_come_from_the_photograph(shape):
    photo = np.full(shape, 77, np.uint8)
    assert (photo_patch([photo], np.random.default_rng(0)) == 77).all()


def test_enlarging_centres_on_black():
    image = enlarge(np.full((8, 8), 200, np.uint8), 24)
    assert (image[4:28, 4:28] == 200).all()
    assert image.sum() == 200 * 24 * 24 * 3
