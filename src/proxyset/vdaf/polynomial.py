"""Polynomials given by their values on roots of unity (the Lagrange basis of draft-irtf-cfrg-vdaf-18, section 6.1.4).

For a power of two n and the draft's root of unity ω of order n, a polynomial of degree below n is the list of its values
at ω^0 … ω^(n−1).
"""

from __future__ import annotations

from functools import lru_cache
from operator import mul

from proxyset.vdaf import digits
from proxyset.vdaf.digits import Digits
from proxyset.vdaf.field import Field


def power_of_two(least: int) -> int:
    """The smallest power of two that is at least `least` ≥ 1."""
    return 1 << (least - 1).bit_length()


def basis(field: Field, count: int, point: int) -> list[int]:
    """The values at `point` of the `count` Lagrange polynomials: P(point) = Σ basis[i] · P(ω^i).

    Uses (x^n − 1) / (x − ω^i) = Π over h = 1, 2, 4 … n/2 of (x^(n/2h) + ω^(i·n/2h)): no division and 3n products.
    """
    modulus = field.modulus
    squares = [point]
    for _ in range(count.bit_length() - 2):
        squares.append(squares[-1] * squares[-1] % modulus)
    products = [field.inverse(count)]
    for size in range(1, count.bit_length()):
        power = squares[-size]
        products = [
            (power + root) * product % modulus
            for root, product in zip(field.roots(1 << size), products * 2, strict=True)
        ]
    return [root * product % modulus for root, product in zip(field.roots(count), products, strict=True)]


def completed(field: Field, values: list[int]) -> list[int]:
    """A polynomial of degree below n − 1 from its first n − 1 values: all n.

    The coefficient of x^(n−1) is Σ value_i · ω^i / n, and it is zero.
    """
    roots = field.roots(len(values) + 1)
    return [*values, -roots[1] * sum(map(mul, values, roots)) % field.modulus]


def between(field: Field, values: Digits) -> Digits:
    """The values halfway between: from P(ω^i) to P(√ω · ω^i), for many polynomials at once.

    Together with `values` these are the values of P on the roots of unity of order 2n, interleaved. Two number theoretic
    transforms: to coefficients (decimation in frequency, which leaves them in bit-reversed order), each times a power of √ω,
    and back (decimation in time, which takes them in that order).

    Args:
        values: (digits, m, n), m polynomials.

    Returns:
        (digits, m, n).
    """
    length = values.shape[-1]
    x = values.copy()
    half = length // 2
    while half:
        low, high = _pairs(x, half)
        difference = digits.sub(field, low, high)
        low += high
        digits.carry(field, low)
        high[:] = digits.mul(field, difference, _twiddles(field, half, True)[:, None, None])
        half //= 2
    x = digits.mul(field, x, _shifts(field, length)[:, None])
    half = 1
    while half < length:
        low, high = _pairs(x, half)
        product = digits.mul(field, high, _twiddles(field, half, False)[:, None, None])
        high[:] = digits.sub(field, low, product)
        low += product
        digits.carry(field, low)
        half *= 2
    return x


def _pairs(x: Digits, half: int) -> tuple[Digits, Digits]:
    """Views of both halves of each stretch of 2·half values: (digits, m, n) → twice (digits, m, n / 2·half, half)."""
    pairs = x.reshape(*x.shape[:2], -1, 2, half)
    return pairs[..., 0, :], pairs[..., 1, :]


@lru_cache(maxsize=64)
def _twiddles(field: Field, half: int, backwards: bool) -> Digits:
    roots = field.roots(2 * half)
    return digits.from_ints(field, [roots[-i] if backwards else roots[i] for i in range(half)])


@lru_cache(maxsize=16)
def _shifts(field: Field, length: int) -> Digits:
    """√ω^i / n in bit-reversed order."""
    places = [0]
    while len(places) < length:
        places = [2 * place for place in places] + [2 * place + 1 for place in places]
    roots, share = field.roots(2 * length), field.inverse(length)
    return digits.from_ints(field, [roots[place] * share % field.modulus for place in places])
