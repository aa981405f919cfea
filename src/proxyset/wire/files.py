"""Messages that lie in files."""

from __future__ import annotations

from typing import Protocol, Self

from proxyset.errors import TransportError


class Sized(Protocol):
    """Of `os.stat_result` the size, in bytes."""

    @property
    def st_size(self) -> int: ...


class Readable(Protocol):
    """The part of `pathlib.Path` that reading messages and models takes. The cloud's places on object storage have it too."""

    def __truediv__(self, name: str, /) -> Self: ...
    def is_dir(self) -> bool: ...
    def is_file(self) -> bool: ...
    def stat(self) -> Sized: ...
    def read_bytes(self) -> bytes: ...


def read_message(path: Readable, what: str, limit: int) -> bytes:
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
