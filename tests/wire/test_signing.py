from __future__ import annotations

from pathlib import Path

import pytest

from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.signing import make_key, public_half, read_key, sign, verify


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


@pytest.mark.parametrize(
    ("key", "signature"), [("", ""), ("00", "00" * 64), ("00" * 32, "00"), (" " * 64, "00" * 64)]
)
def test_what_is_no_signature(key, signature):
    with pytest.raises(ArtifactError, match="wrong"):
        verify(key, signature, b"text", "text")
