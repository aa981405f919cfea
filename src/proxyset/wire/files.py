"""Messages that lie in files."""

from __future__ import annotations

from pathlib import Path

from proxyset.errors import TransportError


def read_message(path: Path, what: str, limit: int) -> bytes:
    """The bytes of a message file, at most `limit`.

    Raises:
        TransportError: there is no such file, it cannot be read, or it is larger than `limit`.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise TransportError(f"{path} has {size} bytes, more than a {what} may have ({limit})")
        return path.read_bytes()
    except OSError as error:
        raise TransportError(f"cannot read the {what} {path}: {error.strerror or error}") from error
