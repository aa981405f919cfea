"""Ed25519 (RFC 8032): the key in a file of its owner alone, a signature and its check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxyset import atomic
from proxyset.errors import ArtifactError, InvalidInput, StateError

if TYPE_CHECKING:
    from nacl.signing import SigningKey

_KEY_BYTES, _SIGNATURE_BYTES = 32, 64


def make_key(path: Path) -> str:
    """Write a new private key, readable for its owner alone, and return the public half in hexadecimal.

    Raises:
        InvalidInput: the file is there already: a key is never replaced.
        OSError: it cannot be written.
    """
    from nacl.signing import SigningKey

    if path.exists():
        raise InvalidInput(f"{path} already exists; a key is never replaced: choose another name")
    key = SigningKey.generate()
    atomic.write_bytes(path, bytes(key), atomic.SECRET)
    return public_half(key)


def read_key(path: Path) -> SigningKey:
    """The private key in a file that `make_key` wrote.

    Raises:
        InvalidInput: there is none, or it is something else.
    """
    from nacl.signing import SigningKey

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"cannot read the key {path} ({error.strerror}); make one: proxyset model key {path}"
        ) from None
    if len(data) != _KEY_BYTES:
        raise InvalidInput(f"{path} is no key: it has {len(data)} bytes, a key has {_KEY_BYTES}")
    return SigningKey(data)


def own_key(path: Path) -> SigningKey:
    """The private key of a service in its folder, made at the first call. Lost, whatever was sealed to it cannot be read.

    Raises:
        StateError: it cannot be read or written.
    """
    try:
        if not path.exists():
            make_key(path)
        return read_key(path)
    except (InvalidInput, OSError) as error:
        raise StateError(f"the key of this service cannot be used: {error}") from error


def public_half(key: SigningKey) -> str:
    """The public half of a key, 32 bytes in hexadecimal."""
    return bytes(key.verify_key).hex()


def sign(key: SigningKey, message: bytes) -> str:
    """The key's signature of a message, 64 bytes in hexadecimal. It takes no randomness: the same gives the same."""
    return key.sign(message).signature.hex()


def verify(key: str, signature: str, message: bytes, what: str) -> None:
    """Check a signature.

    Args:
        key, signature: hexadecimal, 32 and 64 bytes.
        message: what was signed.
        what: its name, for the error: "model card".

    Raises:
        ArtifactError: it is not this key's signature of this message.
    """
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import BadSignatureError

    wrong = f"the signature of this {what} is wrong: it was changed, or never valid"
    try:
        public, proof = bytes.fromhex(key), bytes.fromhex(signature)
        if (len(public), len(proof)) != (_KEY_BYTES, _SIGNATURE_BYTES):  # libsodium does not look
            raise ArtifactError(wrong)
        crypto_sign_open(proof + message, public)
    except (BadSignatureError, ValueError):
        raise ArtifactError(wrong) from None
