"""The two prime fields of Prio3, and vectors over them as arrays of 64-bit words.

Source: draft-irtf-cfrg-vdaf-18, section 6.1. Both primes have a multiplicative subgroup of a large power of two, which
is what polynomials on roots of unity need.

A vector of n elements is a `numpy.uint64` array of shape (n, words), least significant word first and always canonical
(each element below the modulus): exactly the bytes that travel, so that encoding and decoding copy and compare but never
build an integer. `proxyset.vdaf.digits` has the form in which such vectors are multiplied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import ArtifactError, InvalidInput

Vector: TypeAlias = NDArray[np.uint64]

_WIRE = np.dtype("<u8")


@dataclass(frozen=True)
class Field:
    """A prime field whose modulus is just below a power of two.

    Attributes:
        name: as in the draft.
        modulus: the prime p.
        words: 64-bit words of an element; p is just below 2^(64·words).
        root: an element of order 2^log_order.
        log_order: log2 of the largest power of two that divides p − 1.
        radix_bits, digits, fold: how `proxyset.vdaf.digits` writes an element: in `digits` digits of `radix_bits` bits,
            where 2^(radix_bits·digits) ≡ Σ weight·2^(radix_bits·position) for the (position, weight) of `fold`.
    """

    name: str
    modulus: int
    words: int
    root: int
    log_order: int
    radix_bits: int
    digits: int
    fold: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of an encoded element."""
        return 8 * self.words

    def zeros(self, length: int) -> Vector:
        """A vector of `length` zeros."""
        return np.zeros((length, self.words), dtype=np.uint64)

    def vector(self, values: Iterable[int]) -> Vector:
        """Integers of any size and sign, as a vector of their residues."""
        size, modulus = self.size, self.modulus
        return self.words_of(b"".join((value % modulus).to_bytes(size, "little") for value in values))

    def ints(self, vector: Vector) -> list[int]:
        """The elements as integers in [0, p)."""
        columns = [column.tolist() for column in vector.T]
        if self.words == 1:
            return list(columns[0])
        return [low | high << 64 for low, high in zip(*columns, strict=True)]

    def encode(self, vector: Vector) -> bytes:
        """The elements, little-endian, one after the other (section 6.1.1)."""
        return vector.astype(_WIRE, copy=False).tobytes()

    def decode(self, encoded: bytes, length: int, what: str) -> Vector:
        """The reverse of `encode`, strict.

        Args:
            encoded: the bytes.
            length: how many elements there have to be.
            what: the name of the vector, for the error.

        Raises:
            ArtifactError: another number of bytes, or an element that is not below the modulus.
        """
        if len(encoded) != length * self.size:
            raise ArtifactError(
                f"{what}: {len(encoded)} bytes, {length * self.size} expected ({length} elements of {self.name}). "
                f"It was cut or comes from other parameters"
            )
        vector = self.words_of(encoded)
        outside = np.flatnonzero(self.not_canonical(vector))
        if outside.size:
            raise ArtifactError(
                f"{what}: element {outside[0]} is not below the modulus of {self.name}. Refuse the message"
            )
        return vector

    def not_canonical(self, vector: Vector) -> NDArray[np.bool_]:
        """Which elements of words, shape (n, words), are at or above the modulus; shape (n,)."""
        top = vector[:, -1]
        if not (top >= np.uint64(self.modulus >> 64 * (self.words - 1))).any():  # nearly always
            return np.zeros(len(vector), dtype=np.bool_)
        above = vector[:, 0] >= np.uint64(self.modulus & _WORD)
        for word in range(1, self.words):
            bound = np.uint64(self.modulus >> 64 * word & _WORD)
            above = (vector[:, word] > bound) | ((vector[:, word] == bound) & above)
        return above

    def add(self, left: Vector, right: Vector) -> Vector:
        """left + right, element by element; both of shape (n, words)."""
        total, carry = _add(left, right)
        # a sum of 2^(64·words) or more has lost that much, and is surely above the modulus
        return self._subtract_modulus(total, carry | self.not_canonical(total))

    def sub(self, left: Vector, right: Vector) -> Vector:
        """left − right, element by element; both of shape (n, words)."""
        # ~x = 2^(64·words) − 1 − x, so that p − x = ~x + (p + 1) modulo 2^(64·words)
        negative, _ = _add(~right, np.broadcast_to(self._constant(self.modulus + 1), right.shape))
        return self.add(left, self._subtract_modulus(negative, self.not_canonical(negative)))

    def centered(self, value: int) -> int:
        """The integer of least magnitude that `value` in [0, p) stands for: totals with noise may be negative."""
        return value if value <= self.modulus // 2 else value - self.modulus

    def inverse(self, value: int) -> int:
        """The multiplicative inverse."""
        return pow(value, -1, self.modulus)

    def roots(self, count: int) -> tuple[int, ...]:
        """The powers 0 … count − 1 of the draft's root of unity of order `count`, a power of two."""
        return _roots(self, count)

    def _subtract_modulus(self, vector: Vector, where: NDArray[np.bool_]) -> Vector:
        less, _ = _add(vector, np.broadcast_to(self._constant(-self.modulus), vector.shape))
        return np.where(where[:, None], less, vector)

    def _constant(self, value: int) -> Vector:
        return self.words_of((value % (1 << 8 * self.size)).to_bytes(self.size, "little"))

    def words_of(self, encoded: bytes) -> Vector:
        """Words of whole elements, canonical or not: bytes → (n, words)."""
        return np.frombuffer(encoded, dtype=_WIRE).astype(np.uint64, copy=False).reshape(-1, self.words)


_WORD = 2**64 - 1

Field64 = Field(
    name="Field64",
    modulus=2**32 * 4294967295 + 1,
    words=1,
    root=pow(7, 4294967295, 2**32 * 4294967295 + 1),
    log_order=32,
    radix_bits=16,
    digits=4,
    fold=((2, 1), (0, -1)),
)
"""p = 2^64 − 2^32 + 1 (section 6.1.2). Prio3 with joint randomness needs at least three proofs over it."""

Field128 = Field(
    name="Field128",
    modulus=2**66 * 4611686018427387897 + 1,
    words=2,
    root=pow(7, 4611686018427387897, 2**66 * 4611686018427387897 + 1),
    log_order=66,
    radix_bits=22,
    digits=6,
    fold=((3, 112), (0, -16)),
)
"""p = 2^128 − 7·2^66 + 1 (section 6.1.2)."""


def check_size(value: bytes, size: int, what: str) -> bytes:
    """`value`, if it has `size` bytes.

    Raises:
        InvalidInput: it does not.
    """
    if len(value) != size:
        raise InvalidInput(f"{what}: {len(value)} bytes, {size} expected")
    return value


def _add(left: Vector, right: Vector) -> tuple[Vector, NDArray[np.bool_]]:
    """The sum modulo 2^(64·words), and whether it lost a carry."""
    total = left + right
    carry: NDArray[np.bool_] = total[:, 0] < left[:, 0]
    for word in range(1, total.shape[1]):
        lost = total[:, word] < left[:, word]
        total[:, word] += carry
        carry = lost | (carry & (total[:, word] == 0))
    return total, carry


@lru_cache(maxsize=64)
def _roots(field: Field, count: int) -> tuple[int, ...]:
    step = pow(field.root, 1 << field.log_order - (count.bit_length() - 1), field.modulus)
    powers = [1]
    for _ in range(count - 1):
        powers.append(powers[-1] * step % field.modulus)
    return tuple(powers)
