import sys

import numpy as np
import pytest

from proxyset.errors import InvalidInput, MissingExtra
from proxyset.vdaf import xof
from proxyset.vdaf.field import Field64
from proxyset.vdaf.xof import SEED_SIZE, XofTurboShake128, expand_into_vec


def test_a_stream_does_not_depend_on_how_it_is_read():
    one, other = (XofTurboShake128(bytes(SEED_SIZE), b"tag", b"binder") for _ in range(2))
    assert one.next(100) == other.next(1) + other.next(64) + other.next(35)


@pytest.mark.parametrize(
    "change", [(b"\1" * 32, b"tag", b"b"), (bytes(32), b"ta", b"gb"), (bytes(32), b"tag", b"c")]
)
def test_seed_tag_and_binder_each_matter(change):
    assert XofTurboShake128(bytes(32), b"tag", b"b").next(32) != XofTurboShake128(*change).next(32)


def test_a_seed_has_its_size():
    with pytest.raises(InvalidInput, match="31 bytes, 32 expected"):
        XofTurboShake128(bytes(31), b"", b"")


def test_elements_above_the_modulus_are_passed_over(monkeypatch):
    high = (2**64 - 1).to_bytes(8, "little")
    stream = b"".join(
        [high, b"\1" + bytes(7), high, b"\2" + bytes(7), high, high, b"\3" + bytes(7), b"\4" + bytes(7)]
    )

    class Tape:
        at = 0

        def read(self, length):
            self.at += length
            return stream[self.at - length : self.at]

    monkeypatch.setattr(xof, "_turboshake", lambda: lambda data: Tape())
    vector = expand_into_vec(Field64, bytes(32), b"", b"", 4)
    assert Field64.ints(vector) == [1, 2, 3, 4]
    assert vector.dtype == np.uint64


def test_without_pycryptodome_the_extra_is_named(monkeypatch):
    xof._turboshake.cache_clear()
    monkeypatch.setitem(sys.modules, "Crypto.Hash", None)
    with pytest.raises(MissingExtra, match=r"proxyset\[fleet\]"):
        XofTurboShake128(bytes(32), b"", b"")
