"""Validity circuits: what a measurement looks like as field elements, and what makes it valid.

Sources: Histogram, MultihotCountVec and SumVec are those of draft-irtf-cfrg-vdaf-18, sections 7.4.3 to 7.4.5; L1BoundSum is that
of draft-ietf-ppm-l1-bound-sum-02. In all four an encoded measurement is valid when each of its elements is 0 or 1 and, but
for SumVec, one linear function of them is zero. The first is a sum of products that `proxyset.vdaf.flp` proves in chunks;
the second costs the aggregators nothing but additions, since they hold additive shares.

The drafts' Count and Sum have another gadget and no joint randomness; they are not here. A sum is a SumVec of length 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput
from proxyset.vdaf import digits
from proxyset.vdaf.digits import Digits
from proxyset.vdaf.field import Field

M = TypeVar("M")

Bits: TypeAlias = NDArray[np.uint64]
"""An encoded measurement, shape (measurement_length,), of zeros and ones."""


@dataclass(frozen=True)
class Circuit(ABC, Generic[M]):
    """What the circuits share.

    Attributes:
        field: the field.
        length: components of a measurement and of the aggregate.
        chunk_length: how many elements one call of the gadget checks. The proof is shortest near the square root of
            `measurement_length`; `best_chunk_length` finds the best.

    Raises:
        InvalidInput: parameters that cannot work.
    """

    field: Field
    length: int
    chunk_length: int

    def __post_init__(self) -> None:
        for name, value in (("length", self.length), ("chunk_length", self.chunk_length)):
            if value < 1:
                raise InvalidInput(f"{name} is {value}; it must be at least 1")
        if self.measurement_length.bit_length() >= self.field.log_order:
            raise InvalidInput(f"{self.measurement_length} elements are too many for {self.field.name}")

    @property
    @abstractmethod
    def measurement_length(self) -> int:
        """Elements of an encoded measurement."""

    @property
    def calls(self) -> int:
        """Calls of the gadget: chunks of a measurement, the last one padded."""
        return -(-self.measurement_length // self.chunk_length)

    @property
    def has_check(self) -> bool:
        """Whether a linear function must be zero besides."""
        return True

    @property
    def constant(self) -> int:
        """What the linear function of the elements must come to, when all shares are added up."""
        return 0

    @abstractmethod
    def encode(self, measurement: M) -> Bits:
        """The elements, each 0 or 1.

        Raises:
            InvalidInput: the measurement is not valid.
        """

    @abstractmethod
    def linear(self, elements: Digits) -> tuple[Digits, Digits]:
        """The aggregatable output and the linear check of (shares of) measurements.

        Args:
            elements: (digits, B, measurement_length).

        Returns:
            Outputs (digits, B, length) and checks (digits, B); without a check, zeros.
        """

    def _components(self, measurement: Sequence[int], greatest: int) -> list[int]:
        values = [index(value) for value in measurement]
        if len(values) != self.length:
            raise InvalidInput(f"the measurement has {len(values)} components; {self.length} expected")
        for place, value in enumerate(values):
            if not 0 <= value <= greatest:
                raise InvalidInput(f"component {place} is not in [0, {greatest}]: clip it first")
        return values


@dataclass(frozen=True)
class Histogram(Circuit[int]):
    """A measurement is a bucket, 0 ≤ bucket < length; exactly one element is 1 (section 7.4.4)."""

    @property
    def measurement_length(self) -> int:
        return self.length

    @property
    def constant(self) -> int:
        return 1

    def encode(self, measurement: int) -> Bits:
        bucket = index(measurement)
        if not 0 <= bucket < self.length:
            raise InvalidInput(f"the bucket is not in [0, {self.length}): clip it, or leave the record out")
        bits = np.zeros(self.length, dtype=np.uint64)
        bits[bucket] = 1
        return bits

    def linear(self, elements: Digits) -> tuple[Digits, Digits]:
        return elements, digits.total(self.field, elements)


@dataclass(frozen=True)
class MultihotCountVec(Circuit[Sequence[int]]):
    """A measurement is `length` zeros and ones, at most `max_weight` of them ones (section 7.4.5)."""

    max_weight: int

    def __post_init__(self) -> None:
        if not 1 <= self.max_weight <= self.length:
            raise InvalidInput(f"max_weight is {self.max_weight}; it must be in [1, length = {self.length}]")
        super().__post_init__()

    @property
    def measurement_length(self) -> int:
        return self.length + self.max_weight.bit_length()

    def encode(self, measurement: Sequence[int]) -> Bits:
        values = self._components(measurement, 1)
        weight = encode_range_checked_ints([_total(values, self.max_weight)], self.max_weight)
        return np.concatenate([np.array(values, dtype=np.uint64), weight])

    def linear(self, elements: Digits) -> tuple[Digits, Digits]:
        counts, weight = elements[..., : self.length], elements[..., self.length :]
        claimed = decode_range_checked_ints(self.field, weight, self.max_weight)[..., 0]
        return counts, digits.sub(self.field, digits.total(self.field, counts), claimed)


@dataclass(frozen=True)
class SumVec(Circuit[Sequence[int]]):
    """A measurement is `length` integers in [0, max_measurement] (section 7.4.3)."""

    max_measurement: int

    def __post_init__(self) -> None:
        _check_bound(self.field, "max_measurement", self.max_measurement)
        super().__post_init__()

    @property
    def measurement_length(self) -> int:
        return self.length * self.max_measurement.bit_length()

    @property
    def has_check(self) -> bool:
        return False

    def encode(self, measurement: Sequence[int]) -> Bits:
        values = self._components(measurement, self.max_measurement)
        return encode_range_checked_ints(values, self.max_measurement)

    def linear(self, elements: Digits) -> tuple[Digits, Digits]:
        values = decode_range_checked_ints(self.field, elements, self.max_measurement)
        return values, 0 * values[..., 0]


@dataclass(frozen=True)
class L1BoundSum(Circuit[Sequence[int]]):
    """A measurement is `length` integers in [0, max_value] whose sum is at most `max_value`.

    Source: draft-ietf-ppm-l1-bound-sum-02. The sum travels as one more component, and the linear check is that it is it.
    """

    max_value: int

    def __post_init__(self) -> None:
        _check_bound(self.field, "max_value", self.max_value)
        super().__post_init__()
        if self.length * self.max_value >= self.field.modulus:
            raise InvalidInput(
                f"{self.length} components of up to {self.max_value} could add up to the modulus of {self.field.name}: "
                f"lower max_value"
            )

    @property
    def measurement_length(self) -> int:
        return (self.length + 1) * self.max_value.bit_length()

    def encode(self, measurement: Sequence[int]) -> Bits:
        values = self._components(measurement, self.max_value)
        return encode_range_checked_ints([*values, _total(values, self.max_value)], self.max_value)

    def linear(self, elements: Digits) -> tuple[Digits, Digits]:
        values = decode_range_checked_ints(self.field, elements, self.max_value)
        components, claimed = values[..., :-1], values[..., -1]
        return components, digits.sub(self.field, digits.total(self.field, components), claimed)


def best_chunk_length(measurement_length: int) -> int:
    """The chunk length with the shortest proof for that many elements: 2·chunk + 2·points − 1 field elements.

    A wire has a power of two of points, so that for each one the best chunk is the shortest that fits (section 7.4.3.1 asks
    for trial and error; there are few candidates).
    """
    points = [1 << bit for bit in range(1, measurement_length.bit_length() + 2)]
    chunks = [(-(-measurement_length // (count - 1)), count) for count in points]
    return min(chunks, key=lambda each: each[0] + each[1])[0]


def bit_weights(greatest: int) -> list[int]:
    """The weights of the bits of an integer in [0, greatest]: powers of two, but for the last, which makes their sum `greatest`.

    No choice of bits exceeds the bound, so that checking each bit is the whole range check (section 7.4.2).
    """
    bits = greatest.bit_length()
    return [1 << bit for bit in range(bits - 1)] + [greatest - ((1 << bits - 1) - 1)]


def encode_range_checked_ints(values: Sequence[int], greatest: int) -> Bits:
    """n integers in [0, greatest], each as bits for `bit_weights`, shape (n·bits,).

    The last bit is set only where the others do not suffice.
    """
    *_, last = weights = bit_weights(greatest)
    numbers: NDArray[Any] = np.array(values, dtype=np.int64 if greatest < 1 << 62 else object)
    bits = np.empty((len(numbers), len(weights)), dtype=np.uint64)
    use_last = (numbers > greatest - last).astype(numbers.dtype)
    rest = numbers - use_last * last
    for bit in range(len(weights) - 1):
        bits[:, bit] = rest >> bit & 1
    bits[:, -1] = use_last
    return bits.reshape(-1)


def decode_range_checked_ints(field: Field, bits: Digits, greatest: int) -> Digits:
    """Integers from their bits, or shares of the ones from shares of the others: (digits, B, n·b) → (digits, B, n)."""
    weights = digits.from_ints(field, bit_weights(greatest))
    grouped = bits.reshape(field.digits, bits.shape[1], -1, weights.shape[1])
    return digits.combine(field, weights[:, None], grouped.swapaxes(-1, -2))


def _total(values: Sequence[int], greatest: int) -> int:
    total = sum(values)
    if total > greatest:
        raise InvalidInput(f"the components add up to more than {greatest}: scale them down first")
    return total


def _check_bound(field: Field, name: str, greatest: int) -> None:
    if greatest < 1 or 1 << greatest.bit_length() >= field.modulus:
        raise InvalidInput(f"{name} is {greatest}; it must be at least 1 and fit into {field.name}")
