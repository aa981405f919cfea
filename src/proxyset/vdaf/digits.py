"""Exact arithmetic on many field elements at once, in floating point.

Ours; the drafts say what to compute, not how. An element is written in digits of 22 bits (Field128) or 16 bits (Field64)
held as float64, so that every product of two digits, and every sum of up to 1,024 of them, is an integer below 2^53 and
therefore exact in any order, also inside a matrix product of BLAS.

An array of elements has shape (digits, …): digit first. Digits are signed, of magnitude at most 2^(radix_bits − 1) plus a
little (less than 2 %), and an element has many such forms; `to_words` gives the canonical one. Every function keeps that
bound, which is what makes the next product exact.
"""

from __future__ import annotations

import threading
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from proxyset.vdaf.field import Field, Vector

Digits: TypeAlias = NDArray[np.float64]
"""Elements with bounded digits, shape (digits, …)."""

Columns: TypeAlias = NDArray[np.float64]
"""Sums of products of digits, shape (2·digits − 1, …): column i weighs 2^(radix_bits·i); below 2^53."""

TERMS = 1024
"""How many products of digits a sum may have and still be exact: 1,024 · (2^21 · 1.02)² < 2^53."""

_BLOCK = 1 << 13
"""Elements that `mul` works on at a time."""

_KEPT = 1 << 18
"""Numbers that a piece of working memory may have to be kept."""


class _Memory(threading.local):
    """Working memory that a thread keeps: getting it from the system each time costs more than the arithmetic on it."""

    def __init__(self) -> None:
        self._pieces: dict[str, NDArray[np.float64]] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """An array of that shape, of any content, until the next call with that name."""
        size = prod(shape)
        if size > _KEPT:
            return np.empty(shape)
        piece = self._pieces.get(name)
        if piece is None or piece.size < size:
            piece = self._pieces[name] = np.empty(size)
        return piece[:size].reshape(shape)


_memory = _Memory()


def from_words(field: Field, vector: Vector) -> Digits:
    """Digits of canonical elements: (n, words) → (digits, n)."""
    bits, mask = field.radix_bits, np.uint64((1 << field.radix_bits) - 1)
    words = np.ascontiguousarray(vector.T)
    parts = np.empty((field.digits, len(vector)), dtype=np.uint64)
    for digit, part in enumerate(parts):
        word, shift = divmod(digit * bits, 64)
        np.right_shift(words[word], np.uint64(shift), out=part)
        if shift + bits > 64 and word + 1 < field.words:
            part |= words[word + 1] << np.uint64(64 - shift)
    parts &= mask
    return carry(field, parts.view(np.int64).astype(np.float64))


def to_words(field: Field, digits: Digits) -> Vector:
    """The canonical elements: (digits, n) → (n, words)."""
    bits, count, total = field.radix_bits, field.digits, 64 * field.words
    mask = (1 << bits) - 1
    top_bits = total - bits * (count - 1)  # of the last digit, below 2^(64·words)
    # 2^total ≡ excess, both as digits; 2^total > p, so that one subtraction ends it
    excess = _plain_digits(field, (1 << total) - field.modulus)
    # 64 times the modulus makes every value positive; its digits stay far below 2^63
    x = digits.astype(np.int64) + _plain_digits(field, 64 * field.modulus)[:, None]
    for _ in range(3):
        _propagate(x, bits, mask)
        over = x[-1] >> top_bits
        x[-1] -= over << top_bits
        x += excess[:, None] * over
    _propagate(x, bits, mask)
    # x is now below 2^total; it is at or above p exactly if x + excess reaches 2^total
    reduced = x + excess[:, None]
    _propagate(reduced, bits, mask)
    reached = reduced[-1] >> top_bits > 0
    reduced[-1] &= (1 << top_bits) - 1
    x = np.where(reached, reduced, x).astype(np.uint64)
    out = np.zeros((x.shape[1], field.words), dtype=np.uint64)
    for digit in range(count):
        word, shift = divmod(digit * bits, 64)
        out[:, word] |= x[digit] << np.uint64(shift)
        if shift + bits > 64 and word + 1 < field.words:
            out[:, word + 1] |= x[digit] >> np.uint64(64 - shift)
    return out


def to_ints(field: Field, columns: Columns) -> list[int]:
    """Integers in [0, p) from any number of columns or digits: (columns, n) → n."""
    bits, modulus = field.radix_bits, field.modulus
    out = [0] * columns.shape[1]
    for column in reversed(columns.astype(np.int64).tolist()):
        out = [(value << bits) + digit for value, digit in zip(out, column, strict=True)]
    return [value % modulus for value in out]


def from_ints(field: Field, values: list[int]) -> Digits:
    """Digits of n integers: (digits, n)."""
    return from_words(field, field.vector(values))


def carry(field: Field, digits: Digits) -> Digits:
    """The same elements with smaller digits; works in place.

    One pass leaves digits of magnitude 2^(radix_bits − 1) plus what the neighbours carried.
    """
    over = _carry_over(field, digits)
    digits[1:] += over[:-1]
    for position, weight in field.fold:
        digits[position] += weight * over[-1]
    return digits


def add(field: Field, left: Digits, right: Digits) -> Digits:
    """left + right, broadcast."""
    return carry(field, left + right)


def sub(field: Field, left: Digits, right: Digits) -> Digits:
    """left − right, broadcast."""
    return carry(field, left - right)


def mul(field: Field, left: Digits, right: Digits) -> Digits:
    """left · right, of equally many axes, broadcast over all but the first."""
    count = field.digits
    shape = np.broadcast_shapes(left.shape[1:], right.shape[1:])
    out = np.empty((count, *shape))
    rows = max(1, _BLOCK // max(1, prod(shape[1:])))
    for start in range(0, shape[0], rows):
        some = slice(start, start + rows)
        block = out[:, some]
        a, b = (side[:, some] if side.shape[1] > 1 else side for side in (left, right))
        columns = _memory("columns", (2 * count - 1, *block.shape[1:]))
        products = _memory("products", block.shape)
        np.multiply(a[0], b, out=columns[:count])
        columns[count:] = 0
        for digit in range(1, count):
            columns[digit : digit + count] += np.multiply(a[digit], b, out=products)
        block[:] = reduce(field, columns)
    return out


def dot(field: Field, left: Digits, right: Digits) -> Digits:
    """Σ over the last axis but one of left · right: two of shape (digits, B, C, K) → (digits, B, K)."""
    out: Digits = np.zeros((field.digits, left.shape[1], left.shape[3]))
    for start in range(0, left.shape[2], TERMS):
        some = slice(start, start + TERMS)
        columns = _no_columns(field, out.shape[1:])
        for digit in range(field.digits):
            columns[digit : digit + field.digits] += np.einsum(
                "bck,lbck->lbk", left[digit, :, some], right[:, :, some]
            )
        out = add(field, out, _settle(field, columns))
    return out


def combine(field: Field, weights: Digits, values: Digits) -> Digits:
    """Σ over c of weights[b, c] · values[b, c, k], by BLAS: (digits, B, C) and (digits, B, C, K) → (digits, B, K).

    A first axis B of 1 in `weights` is broadcast.
    """
    out: Digits = np.zeros((field.digits, values.shape[1], values.shape[3]))
    for start in range(0, values.shape[2], TERMS):
        some = slice(start, start + TERMS)
        products = np.moveaxis(weights[:, :, some], 0, 1) @ values[:, :, some]  # (digits, B, digits, K)
        columns = _no_columns(field, out.shape[1:])
        for digit in range(field.digits):
            columns[digit : digit + field.digits] += products[:, :, digit]
        out = add(field, out, _settle(field, columns))
    return out


def total(field: Field, values: Digits) -> Digits:
    """Σ over the last axis, of fewer than 2^30 elements: (digits, …, n) → (digits, …)."""
    return carry(field, carry(field, values.sum(axis=-1)))


def reduce(field: Field, columns: Columns) -> Digits:
    """Digits from columns of at most `digits` products each; works in place.

    Bounds for Field128, from columns below 6·2^42: folding the two highest gives at most 2^50 in columns 6 and 7, whose
    carries leave 2^21; folding columns 6 to 8 gives at most 2^51; two passes of `carry` end within the bound.
    """
    count = field.digits
    # columns from here on fold onto others that have to be folded too
    border = 2 * count - max(position for position, _ in field.fold)
    _fold(field, columns, border, len(columns))
    columns[count + 1 : border] += _carry_over(field, columns[count : border - 1])
    _fold(field, columns, count, border)
    return carry(field, carry(field, columns[:count]))


def powers(field: Field, first: Digits, ratio: Digits, count: int) -> Digits:
    """first · ratio^i for i in 0 … count − 1, as a new last axis."""
    shape = first.shape
    first, ratio = first.reshape(field.digits, -1), ratio.reshape(field.digits, -1)
    out = np.empty((*first.shape, count))
    out[..., 0] = first
    done = 1
    while done < count:
        more = min(done, count - done)
        out[..., done : done + more] = mul(field, out[..., :more], ratio[..., None])
        done += more
        if done < count:
            ratio = mul(field, ratio, ratio)
    return out.reshape(*shape, count)


def _no_columns(field: Field, shape: tuple[int, ...]) -> Columns:
    return np.zeros((2 * field.digits, *shape))  # the last one takes what the others carry


def _settle(field: Field, columns: Columns) -> Digits:
    """Digits from columns of up to `TERMS` products: two passes of carries make them as small as one product's."""
    for _ in range(2):
        columns[1:] += _carry_over(field, columns[:-1])
    return reduce(field, columns)


def _carry_over(field: Field, digits: Digits) -> Digits:
    """Takes from each digit the multiple of the radix nearest to it, in place; gives how many times the radix."""
    radix = float(1 << field.radix_bits)
    over = np.multiply(digits, 1 / radix, out=_memory("over", digits.shape))
    np.rint(over, out=over)
    digits -= np.multiply(over, radix, out=_memory("taken", digits.shape))
    return over


def _fold(field: Field, columns: Columns, start: int, end: int) -> None:
    for position, weight in field.fold:
        to = start - field.digits + position
        columns[to : to + end - start] += weight * columns[start:end]


def _plain_digits(field: Field, value: int) -> NDArray[np.int64]:
    """`value` in plain digits; the last one takes what is left."""
    bits, last = field.radix_bits, field.digits - 1
    parts = [value >> bits * digit & (1 << bits) - 1 for digit in range(last)]
    return np.array([*parts, value >> bits * last], dtype=np.int64)


def _propagate(x: NDArray[np.int64], bits: int, mask: int) -> None:
    """Carry from the lowest digit to the highest, in place; all but the last end in [0, 2^bits)."""
    for digit in range(len(x) - 1):
        x[digit + 1] += x[digit] >> bits
        x[digit] &= mask
