import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.vdaf import digits
from proxyset.vdaf.field import Field64, Field128
from tests.vdaf.test_field import FIELDS, elements, pairs

BOUND = 1.02  # of 2^(radix_bits − 1): what the module promises for digits


def values(field, x):
    """Integers of digits, by their definition."""
    flat = x.reshape(len(x), -1).T
    return [
        sum(int(digit) << field.radix_bits * i for i, digit in enumerate(each)) % field.modulus
        for each in flat
    ]


def small(field, x):
    return np.abs(x).max() <= BOUND * 2 ** (field.radix_bits - 1)


def largest(field, shape, rng):
    """Digits at the bound of what is promised, with random signs."""
    size = int(BOUND * 2 ** (field.radix_bits - 1))
    return size * rng.choice([-1.0, 1.0], size=(field.digits, *shape))


@FIELDS
@settings(deadline=None)
@given(data=st.data())
def test_digits_are_exact(field, data):
    left, right = zip(*data.draw(pairs(field)), strict=True)
    a, b, p = (digits.from_ints(field, list(side)) for side in (left, right)), None, field.modulus
    a, b = a
    for operation, expected in (
        (digits.add, lambda x, y: x + y),
        (digits.sub, lambda x, y: x - y),
        (digits.mul, lambda x, y: x * y),
    ):
        result = operation(field, a, b)
        wanted = [expected(x, y) % p for x, y in zip(left, right, strict=True)]
        assert small(field, result)
        assert digits.to_ints(field, result) == values(field, result) == wanted
        assert field.ints(digits.to_words(field, result)) == wanted


@FIELDS
@pytest.mark.parametrize("sign", [-1.0, 0.0, 1.0])
def test_products_of_the_largest_digits_are_exact(field, sign, rng):
    a, b = largest(field, (500,), rng), largest(field, (500,), rng)
    if sign:
        a, b = np.abs(a), sign * np.abs(b)
    product = digits.mul(field, a, b)
    assert small(field, product)
    assert values(field, product) == [
        x * y % field.modulus for x, y in zip(values(field, a), values(field, b), strict=True)
    ]
    assert field.ints(digits.to_words(field, a)) == values(field, a)


@FIELDS
@pytest.mark.parametrize("terms", [1, 3, digits.TERMS, digits.TERMS + 1])
@pytest.mark.parametrize("signed", [True, False])
def test_sums_of_products_are_exact(field, terms, signed, rng):
    left, right = largest(field, (2, terms, 3), rng), largest(field, (2, terms, 3), rng)
    if not signed:
        left, right = np.abs(left), np.abs(right)
    a, b = (np.array(values(field, side), dtype=object).reshape(2, terms, 3) for side in (left, right))
    expected = ((a * b).sum(axis=1) % field.modulus).ravel().tolist()
    result = digits.dot(field, left, right)
    assert small(field, result)
    assert digits.to_ints(field, result.reshape(field.digits, -1)) == expected
    combined = digits.combine(field, left[..., 0], right)
    assert small(field, combined)
    expected = ((a[:, :, :1] * b).sum(axis=1) % field.modulus).ravel().tolist()
    assert digits.to_ints(field, combined.reshape(field.digits, -1)) == expected


@FIELDS
def test_total(field, rng):
    x = np.abs(largest(field, (2, 3, 5000), rng))
    expected = np.array(values(field, x), dtype=object).reshape(2, 3, 5000).sum(axis=-1) % field.modulus
    result = digits.total(field, x)
    assert small(field, result)
    assert values(field, result) == expected.ravel().tolist()


@FIELDS
@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
def test_powers(field, count, rng):
    first, ratio = largest(field, (2, 3), rng), largest(field, (2, 3), rng)
    result = digits.powers(field, first, ratio, count)
    assert result.shape == (field.digits, 2, 3, count)
    bases = zip(values(field, first), values(field, ratio), strict=True)
    assert values(field, result) == [
        a * pow(b, i, field.modulus) % field.modulus for a, b in bases for i in range(count)
    ]


@pytest.mark.parametrize(
    "shapes", [((3, 1), (1, 4)), ((1, 4), (3, 4)), ((20000, 1), (1, 1)), ((1,), (9000,))]
)
def test_blocks_broadcast_like_numpy(shapes, rng):
    left, right = (largest(Field128, shape, rng) for shape in shapes)
    expected = [
        np.array(values(Field128, side), dtype=object).reshape(shape)
        for side, shape in zip((left, right), shapes, strict=True)
    ]
    assert (
        values(Field128, digits.mul(Field128, left, right))
        == (expected[0] * expected[1] % Field128.modulus).ravel().tolist()
    )


@settings(deadline=None)
@given(st.lists(elements(Field64), min_size=1, max_size=5))
def test_integers_of_columns_that_are_not_reduced(numbers):
    x = digits.from_ints(Field64, numbers)
    columns = np.concatenate([x, x * 2**30])
    assert digits.to_ints(Field64, columns) == [
        (value + (value << 30 + 64)) % Field64.modulus for value in numbers
    ]
