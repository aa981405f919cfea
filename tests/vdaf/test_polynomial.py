import pytest

from proxyset.vdaf import digits
from proxyset.vdaf.polynomial import basis, between, completed, power_of_two
from proxyset_lab.speed.plain_prio3 import plain_basis, plain_double
from tests.vdaf.test_field import FIELDS

COUNTS = pytest.mark.parametrize("count", [2, 4, 8, 64])


def some(field, count, rng):
    return [int.from_bytes(rng.bytes(16), "little") % field.modulus for _ in range(count)]


def evaluate(field, coefficients, point):
    total = 0
    for coefficient in reversed(coefficients):
        total = (total * point + coefficient) % field.modulus
    return total


def test_power_of_two():
    assert [power_of_two(least) for least in (1, 2, 3, 4, 5, 1023)] == [1, 2, 4, 4, 8, 1024]


@FIELDS
@COUNTS
def test_the_basis_evaluates_polynomials(field, count, rng):
    coefficients, (point,) = some(field, count, rng), some(field, 1, rng)
    values = [evaluate(field, coefficients, root) for root in field.roots(count)]
    at_point = basis(field, count, point)
    assert at_point == plain_basis(field, count, point)
    assert sum(a * b for a, b in zip(at_point, values, strict=True)) % field.modulus == evaluate(
        field, coefficients, point
    )


@FIELDS
@COUNTS
def test_the_missing_value(field, count, rng):
    coefficients = some(field, count - 1, rng)
    values = [evaluate(field, coefficients, root) for root in field.roots(count)]
    assert completed(field, values[:-1]) == values


@FIELDS
@COUNTS
def test_between_doubles_the_values(field, count, rng):
    many = [some(field, count, rng) for _ in range(3)]
    x = digits.from_ints(field, [value for values in many for value in values]).reshape(
        field.digits, 3, count
    )
    result = digits.to_ints(field, between(field, x).reshape(field.digits, -1))
    for place, values in enumerate(many):
        doubled = plain_double(field, values)
        assert doubled[::2] == values
        assert doubled[1::2] == result[place * count : (place + 1) * count]
