from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from proxyset.client.calibration import privacy_statement
from proxyset.errors import ArtifactError
from proxyset.wire.receipt import Claim, Receipt
from proxyset.wire.release import RECEIPT_LIMIT, Release
from proxyset.wire.signing import public_half

KEY = SigningKey(b"k" * 32)
PUBLIC = public_half(KEY)
RELEASE = Release(np.arange(4), "a" * 64, "b" * 64, privacy_statement(0.58))


def receipt_of(release: Release = RELEASE) -> Receipt:
    return Receipt.sign(
        Claim(
            release=release.fingerprint,
            probe=release.probe,
            index=release.index,
            server="s",
            privacy=release.privacy,
            policy="",
            head="c" * 64,
            key=PUBLIC,
        ),
        KEY,
    )


def test_there_and_back() -> None:
    receipt = receipt_of()
    assert Receipt.from_bytes(receipt.to_bytes(), PUBLIC) == receipt
    assert receipt.covers(RELEASE)
    assert not receipt.covers(Release(np.arange(1, 5), RELEASE.probe, RELEASE.index, RELEASE.privacy))
    assert receipt.to_bytes() == receipt_of().to_bytes()


def test_another_key() -> None:
    with pytest.raises(ArtifactError, match="signed by"):
        Receipt.from_bytes(receipt_of().to_bytes(), "0" * 64)
    stolen = json.loads(receipt_of().to_bytes())
    stolen["claim"]["key"] = public_half(SigningKey.generate())
    with pytest.raises(ArtifactError, match="signature"):
        Receipt.from_bytes(json.dumps(stolen).encode())


@pytest.mark.parametrize("field", ["release", "probe", "index", "policy", "head"])
def test_no_field_can_be_changed(field: str) -> None:
    changed = json.loads(receipt_of().to_bytes())
    changed["claim"][field] = "d" * 64
    with pytest.raises(ArtifactError, match="signature"):
        Receipt.from_bytes(json.dumps(changed).encode())


def test_the_privacy_statement_cannot_be_changed() -> None:
    changed = json.loads(receipt_of().to_bytes())
    changed["claim"]["privacy"]["epsilon"] = 0.1
    with pytest.raises(ArtifactError, match="signature"):
        Receipt.from_bytes(json.dumps(changed).encode())


@given(position=st.integers(0, 2000), value=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_one_changed_byte_never_passes(position: int, value: int) -> None:
    data = bytearray(receipt_of().to_bytes())
    position %= len(data)
    if data[position] == value:
        return
    data[position] = value
    with pytest.raises(ArtifactError):
        Receipt.from_bytes(bytes(data), PUBLIC)


@given(data=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_rubbish(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        Receipt.from_bytes(data)


def test_too_large() -> None:
    with pytest.raises(ArtifactError, match="more than"):
        Receipt.from_bytes(b" " * (RECEIPT_LIMIT + 1))


def test_inside_a_release() -> None:
    signed = replace(RELEASE, receipt=receipt_of().to_bytes())
    assert Receipt.of(Release.from_bytes(signed.to_bytes()), PUBLIC) == receipt_of()
    assert Receipt.of(RELEASE) is None
    other = replace(signed, counts=np.arange(1, 5))
    with pytest.raises(ArtifactError, match="is for"):
        Receipt.of(other)
    with pytest.raises(ArtifactError, match="signed by"):
        Receipt.of(signed, "0" * 64)
    with pytest.raises(ArtifactError, match="not a receipt"):
        Receipt.of(replace(RELEASE, receipt=b"{}"))
