"""XofTurboShake128: pseudorandom bytes and field elements from a seed (draft-irtf-cfrg-vdaf-18, section 6.2.1; RFC 9861)."""

from __future__ import annotations

from functools import cache
from typing import Protocol

import numpy as np

from proxyset.errors import MissingExtra
from proxyset.vdaf.field import Field, Vector, check_size

SEED_SIZE = 32
"""Bytes of a seed."""


class XofTurboShake128:
    """One stream.

    Args:
        seed: `SEED_SIZE` bytes.
        dst: the domain separation tag, below 64 KiB: which algorithm, what for, which application.
        binder: whatever else the stream depends on.

    Raises:
        InvalidInput: a seed of another size.
        MissingExtra: PyCryptodome is not installed.
    """

    def __init__(self, seed: bytes, dst: bytes, binder: bytes) -> None:
        check_size(seed, SEED_SIZE, "seed")
        start = b"".join([len(dst).to_bytes(2, "little"), dst, bytes([SEED_SIZE]), seed, binder])
        self._sponge = _turboshake()(start)

    def next(self, length: int) -> bytes:
        """The next `length` bytes."""
        return self._sponge.read(length)

    def next_vec(self, field: Field, length: int) -> Vector:
        """The next `length` elements, uniform: what is not below the modulus is passed over. Shape (length, words)."""
        vector = field.words_of(self.next(length * field.size))
        outside = field.not_canonical(vector)
        while outside.any():
            vector = vector[~outside]
            vector = np.concatenate([vector, field.words_of(self.next((length - len(vector)) * field.size))])
            outside = field.not_canonical(vector)
        return vector


def derive_seed(seed: bytes, dst: bytes, binder: bytes) -> bytes:
    """A new seed from a seed."""
    return XofTurboShake128(seed, dst, binder).next(SEED_SIZE)


def expand_into_vec(field: Field, seed: bytes, dst: bytes, binder: bytes, length: int) -> Vector:
    """`length` elements from a seed, shape (length, words)."""
    return XofTurboShake128(seed, dst, binder).next_vec(field, length)


class _Sponge(Protocol):
    def read(self, length: int) -> bytes: ...


class _NewSponge(Protocol):
    def __call__(self, data: bytes) -> _Sponge: ...


@cache
def _turboshake() -> _NewSponge:
    try:
        from Crypto.Hash import TurboSHAKE128
    except ImportError as error:
        raise MissingExtra("pycryptodome", "fleet", "verifiable sums") from error

    def new(data: bytes) -> _Sponge:
        return TurboSHAKE128.new(domain=1, data=data)

    return new
