from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.demo import digits as module
from proxyset.demo.cache import fetch
from proxyset.demo.digits import CLASSES, DIGITS_SMALL, PER_CLASS, pixels


def test_five_domains_of_equally_many_digits(digits):
    counts = Counter(zip(digits["domain"].to_pylist(), digits["label"].to_pylist(), strict=True))
    assert len(digits) == DIGITS_SMALL.items == 12_500
    assert set(counts) == {(d.name, str(c)) for d in DIGITS_SMALL.domains for c in range(CLASSES)}
    assert set(counts.values()) == {PER_CLASS}
    assert len(set(digits["id"].to_pylist())) == len(digits)


def test_every_image_is_32_by_32_and_shows_something(digits):
    images = np.stack([pixels(png) for png in digits["image"].to_pylist()])
    assert images.shape == (12_500, 32, 32, 3) and images.dtype == np.uint8
    contrast = np.ptp(images.reshape(len(images), -1).astype(int), axis=1)
    assert contrast.min() >= 30


def test_no_image_twice(digits):
    names = digits["domain"].to_pylist()
    repeated = Counter(digits["image"].to_pylist())
    # coarse scans of 8×8 pixels may coincide by chance; nothing else may
    assert {names[i] for i, png in enumerate(digits["image"].to_pylist()) if repeated[png] > 1} <= {
        "optdigits"
    }


@pytest.mark.thorough
def test_a_second_build_gives_the_same_bytes(digits):
    again = module.build()
    assert again.table.equals(digits.replace_schema_metadata(None))
    assert again.fingerprint == digits.schema.metadata[b"fingerprint"].decode()


@given(st.integers(0, 2**32 - 1))
def test_the_halves_of_mnist_are_disjoint_and_balanced(seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(CLASSES), 2 * PER_CLASS))
    rows = module._balanced(labels, 2 * PER_CLASS, np.random.default_rng(seed + 1))
    first, second = module._halves(rows, labels)
    assert len(np.unique(np.concatenate([first, second]))) == 2 * CLASSES * PER_CLASS
    for half in (first, second):
        assert (np.bincount(labels[half]) == PER_CLASS).all()


def test_what_is_in_the_cache_is_what_the_maintainers_built():
    assert fetch(DIGITS_SMALL).as_expected


def test_every_domain_names_its_source_and_terms():
    for domain in DIGITS_SMALL.domains:
        assert domain.source and domain.licence and domain.title
    assert "CC BY 4.0" in DIGITS_SMALL.licence
