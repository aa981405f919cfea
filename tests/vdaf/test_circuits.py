import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.errors import InvalidInput
from proxyset.vdaf import digits
from proxyset.vdaf.circuits import (
    Histogram,
    L1BoundSum,
    MultihotCountVec,
    SumVec,
    best_chunk_length,
    bit_weights,
    encode_range_checked_ints,
)
from proxyset.vdaf.field import Field64, Field128
from proxyset_lab.speed.plain_prio3 import plain_linear, plain_weights

GREATEST = st.integers(1, 40) | st.integers(1, 2**100) | st.sampled_from([2**62 - 1, 2**62, 2**63, 2**64])


@settings(deadline=None)
@given(GREATEST, st.data())
def test_bits_reach_every_integer_of_the_range_and_none_beyond(greatest, data):
    weights = bit_weights(greatest)
    assert weights == plain_weights(greatest)
    assert len(weights) == greatest.bit_length()
    assert sum(weights) == greatest
    values = data.draw(st.lists(st.integers(0, greatest), min_size=1, max_size=5))
    bits = encode_range_checked_ints([*values, 0, greatest], greatest).reshape(-1, len(weights)).tolist()
    assert {bit for each in bits for bit in each} <= {0, 1}
    assert [sum(map(int.__mul__, weights, each)) for each in bits] == [*values, 0, greatest]


@pytest.mark.parametrize("greatest", range(1, 34))
def test_small_ranges_completely(greatest):
    weights = bit_weights(greatest)
    bits = encode_range_checked_ints(range(greatest + 1), greatest).reshape(-1, len(weights))
    assert [sum(map(int.__mul__, weights, each)) for each in bits.tolist()] == list(range(greatest + 1))


CIRCUITS = [
    Histogram(Field128, 5, 2),
    MultihotCountVec(Field128, 7, 3, 4),
    SumVec(Field64, 3, 5, 1000),
    SumVec(Field128, 2, 5, 2**90),
    L1BoundSum(Field128, 6, 4, 13),
    L1BoundSum(Field128, 3, 4, 1),
]


def measurements(circuit):
    match circuit:
        case Histogram(length=length):
            return st.integers(0, length - 1)
        case MultihotCountVec(length=length, max_weight=most):
            places = st.sets(st.integers(0, length - 1), max_size=most)
            return places.map(lambda some: [int(place in some) for place in range(length)])
        case SumVec(length=length, max_measurement=most):
            return st.lists(st.integers(0, most), min_size=length, max_size=length)
        case L1BoundSum(length=length, max_value=most):
            cuts = st.lists(st.integers(0, most), min_size=length, max_size=length).map(sorted)
            return cuts.map(lambda ends: [b - a for a, b in zip([0, *ends], ends, strict=False)])
    raise TypeError(f"no plain form of {circuit}")


def total(circuit, measurement):
    """What one measurement adds to the sum."""
    if isinstance(circuit, Histogram):
        return [int(bucket == measurement) for bucket in range(circuit.length)]
    return list(measurement)


@pytest.mark.parametrize("circuit", CIRCUITS, ids=repr)
@settings(deadline=None)
@given(data=st.data())
def test_what_is_encoded_adds_up_to_the_measurement(circuit, data):
    measurement = data.draw(measurements(circuit))
    bits = circuit.encode(measurement).tolist()
    assert set(bits) <= {0, 1}
    assert len(bits) == circuit.measurement_length
    assert plain_linear(circuit, bits) == (total(circuit, measurement), circuit.constant)
    outputs, checks = circuit.linear(digits.from_ints(circuit.field, bits)[:, None])
    assert digits.to_ints(circuit.field, outputs[:, 0]) == total(circuit, measurement)
    assert digits.to_ints(circuit.field, checks) == [circuit.constant]


@pytest.mark.parametrize("circuit", CIRCUITS, ids=repr)
def test_the_linear_part_is_that_of_plain_integers_on_shares(circuit, rng):
    field, count = circuit.field, circuit.measurement_length
    shares = [
        [int.from_bytes(rng.bytes(16), "little") % field.modulus for _ in range(count)] for _ in range(3)
    ]
    x = digits.from_ints(field, [value for share in shares for value in share]).reshape(
        field.digits, 3, count
    )
    outputs, checks = circuit.linear(x)
    for report, share in enumerate(shares):
        plain, check = plain_linear(circuit, share)
        assert digits.to_ints(field, outputs[:, report]) == [value % field.modulus for value in plain]
        assert digits.to_ints(field, checks)[report] == check % field.modulus


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Histogram(Field128, 0, 1), "length is 0"),
        (lambda: Histogram(Field128, 4, 0), "chunk_length is 0"),
        (lambda: Histogram(Field64, 2**31, 1), "too many for Field64"),
        (lambda: MultihotCountVec(Field128, 3, 1, 4), r"max_weight is 4; it must be in \[1, length = 3\]"),
        (lambda: SumVec(Field64, 3, 1, 0), "max_measurement is 0"),
        (lambda: SumVec(Field64, 3, 1, 2**63), "fit into Field64"),
        (lambda: L1BoundSum(Field128, 3, 1, 0), "max_value is 0"),
        (lambda: L1BoundSum(Field128, 2**10, 1, 2**120), "could add up to the modulus"),
        (lambda: Histogram(Field128, 3, 1).encode(3), r"the bucket is not in \[0, 3\)"),
        (lambda: Histogram(Field128, 3, 1).encode(-1), "the bucket is not in"),
        (lambda: MultihotCountVec(Field128, 3, 1, 1).encode([1, 1, 0]), "add up to more than 1"),
        (lambda: MultihotCountVec(Field128, 3, 1, 3).encode([2, 0, 0]), r"component 0 is not in \[0, 1\]"),
        (lambda: SumVec(Field128, 2, 1, 7).encode([1]), "has 1 components; 2 expected"),
        (lambda: SumVec(Field128, 2, 1, 7).encode([1, 8]), r"component 1 is not in \[0, 7\]"),
        (lambda: L1BoundSum(Field128, 2, 1, 7).encode([4, 4]), "add up to more than 7"),
        (lambda: L1BoundSum(Field128, 2, 1, 7).encode([-1, 4]), "component 0 is not in"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(make, said):
    with pytest.raises(InvalidInput, match=said):
        make()


def test_a_fraction_is_no_integer():
    with pytest.raises(TypeError):
        SumVec(Field128, 2, 1, 7).encode([1.5, 2])


@pytest.mark.parametrize("length", [1, 2, 7, 110, 1010, 10010])
def test_the_best_chunk_length_is_the_best(length):
    def proof(chunk):
        return 2 * chunk + 2 * (1 << (-(-length // chunk)).bit_length()) - 1

    assert proof(best_chunk_length(length)) == min(map(proof, range(1, length + 1)))
