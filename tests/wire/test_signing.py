from __future__ import annotations

from pathlib import Path

import pytest
from nacl.signing import SigningKey

from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.signing import agreed, make_key, public_half, read_key, sign, verify


def test_a_key_is_its_owners_and_stays(tmp_path: Path) -> None:
    public = make_key(tmp_path / "cloud.key")
    assert (tmp_path / "cloud.key").stat().st_mode & 0o777 == 0o600
    assert public_half(read_key(tmp_path / "cloud.key")) == public
    with pytest.raises(InvalidInput, match="never replaced"):
        make_key(tmp_path / "cloud.key")
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(InvalidInput, match="3 bytes"):
        read_key(tmp_path / "short")
    with pytest.raises(InvalidInput, match="model key"):
        read_key(tmp_path / "none")


def test_a_signature_is_of_one_message_by_one_key(tmp_path: Path) -> None:
    public, other = make_key(tmp_path / "a"), make_key(tmp_path / "b")
    signature = sign(read_key(tmp_path / "a"), b"text")
    verify(public, signature, b"text", "model")
    for key, message in ((other, b"text"), (public, b"texts"), ("00" * 31, b"text")):
        with pytest.raises(ArtifactError, match="signature of this model"):
            verify(key, signature, message, "model")


def test_two_keys_agree_on_a_secret():
    ann, bob, eve = (SigningKey(bytes([n]) * 32) for n in range(3))
    secret = agreed(ann, public_half(bob))
    assert secret == agreed(bob, public_half(ann)) and len(secret) == 32
    assert len({secret, agreed(ann, public_half(eve)), agreed(bob, public_half(eve))}) == 3
    # computed with another library
    assert secret.hex() == "41e4a72c2c8c5697029a29b36ed09a0187cd2039b83f0cd0294cf875fd2292e4"


@pytest.mark.parametrize("other", ["", "00" * 32, "01" + "00" * 31, "ff" * 32, "zz" * 32, "00" * 31])
def test_what_no_secret_can_be_agreed_with(other):
    """Among them points of small order, with which everybody would agree on the same."""
    with pytest.raises(ArtifactError, match="public key"):
        agreed(SigningKey(bytes(32)), other)


@pytest.mark.parametrize(
    ("key", "signature"), [("", ""), ("00", "00" * 64), ("00" * 32, "00"), (" " * 64, "00" * 64)]
)
def test_what_is_no_signature(key, signature):
    with pytest.raises(ArtifactError, match="wrong"):
        verify(key, signature, b"text", "text")
