"""Ed25519 (RFC 8032): the key in a file of its owner alone, a signature, and its check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxyset import atomic
from proxyset.errors import ArtifactError, InvalidInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEY_BYTES = 32


def make_key(path: Path) -> str:
    """Write a new private key, readable for its owner alone, and return the public half in hexadecimal.

    Raises:
        InvalidInput: the file is there already: a key is never replaced.
        OSError: it cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if path.exists():
        raise InvalidInput(f"{path} already exists; a key is never replaced: choose another name")
    key = Ed25519PrivateKey.generate()
    with atomic.replacing(path) as temporary:  # made with mode 600, and back to it after the rename
        temporary.write_bytes(key.private_bytes_raw())
    path.chmod(0o600)
    return key.public_key().public_bytes_raw().hex()


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file that `make_key` wrote.

    Raises:
        InvalidInput: there is none, or it is something else.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"cannot read the key {path} ({error.strerror}); make one: proxyset model key {path}"
        ) from None
    if len(data) != _KEY_BYTES:
        raise InvalidInput(f"{path} is no key: it has {len(data)} bytes, a key has {_KEY_BYTES}")
    return Ed25519PrivateKey.from_private_bytes(data)


def verify(key: str, signature: str, message: bytes, what: str) -> None:
    """Check a signature.

    Args:
        key, signature: hexadecimal, 32 and 64 bytes.
        message: what was signed.
        what: its name, for the error: "model card".

    Raises:
        ArtifactError: it is not this key's signature of this message.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        raise ArtifactError(
            f"the signature of this {what} is wrong: it was changed, or never valid"
        ) from None
