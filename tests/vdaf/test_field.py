import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.errors import ArtifactError
from proxyset.vdaf.field import Field64, Field128

FIELDS = pytest.mark.parametrize("field", [Field64, Field128], ids=lambda field: field.name)


def elements(field):
    near = st.integers(-3, 3)
    edges = st.sampled_from([0, field.modulus, *(2**bits for bits in range(15, 129, 1))])
    return st.builds(lambda a, b: (a + b) % field.modulus, edges, near) | st.integers(0, field.modulus - 1)


def pairs(field):
    return st.lists(st.tuples(elements(field), elements(field)), min_size=1, max_size=20)


def is_prime(number):
    """Miller–Rabin with the first twelve primes: certain below 2^64, and no pseudoprime of 128 bits is known."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1

    def passes(base):
        power = pow(base, odd, number)
        return power in (1, number - 1) or number - 1 in [pow(power, 2**i, number) for i in range(twos)]

    return all(passes(base) for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37))


@FIELDS
def test_modulus_and_root(field):
    assert is_prime(field.modulus)
    assert 1 << 64 * field.words > field.modulus > 1 << 64 * field.words - 1
    assert pow(field.root, 1 << field.log_order - 1, field.modulus) == field.modulus - 1
    assert field.roots(8)[1] == pow(field.root, 1 << field.log_order - 3, field.modulus)
    weight = sum(w << field.radix_bits * position for position, w in field.fold)
    assert (weight - (1 << field.radix_bits * field.digits)) % field.modulus == 0


@FIELDS
@settings(deadline=None)
@given(data=st.data())
def test_vectors_add_and_subtract_like_integers(field, data):
    left, right = zip(*data.draw(pairs(field)), strict=True)
    a, b, p = field.vector(left), field.vector(right), field.modulus
    assert field.ints(a) == list(left)
    assert field.ints(field.add(a, b)) == [(x + y) % p for x, y in zip(left, right, strict=True)]
    assert field.ints(field.sub(a, b)) == [(x - y) % p for x, y in zip(left, right, strict=True)]
    assert not field.not_canonical(field.sub(field.zeros(len(left)), a)).any()


@FIELDS
@settings(deadline=None)
@given(data=st.data())
def test_encoding_goes_there_and_back(field, data):
    values = data.draw(st.lists(elements(field), max_size=20))
    encoded = field.encode(field.vector(values))
    assert encoded == b"".join(value.to_bytes(field.size, "little") for value in values)
    assert field.ints(field.decode(encoded, len(values), "test")) == values


@FIELDS
@settings(deadline=None)
@given(data=st.data())
def test_decoding_refuses_what_is_not_canonical(field, data):
    value = data.draw(st.integers(field.modulus, (1 << 8 * field.size) - 1))
    encoded = b"".join(number.to_bytes(field.size, "little") for number in (1, value, 2))
    with pytest.raises(ArtifactError, match="element 1 is not below the modulus"):
        field.decode(encoded, 3, "test")


@FIELDS
def test_decoding_refuses_any_other_length(field):
    encoded = field.encode(field.vector([1, 2, 3]))
    for wrong in (encoded[:-1], encoded + b"\0", b"", encoded * 2):
        with pytest.raises(ArtifactError, match=f"{len(wrong)} bytes, {3 * field.size} expected"):
            field.decode(wrong, 3, "test")


@FIELDS
def test_negative_numbers_and_back(field):
    noise = [-3, 0, 5, -(2**40)]
    vector = field.vector(noise)
    assert vector.dtype == np.uint64
    assert [field.centered(value) for value in field.ints(vector)] == noise
