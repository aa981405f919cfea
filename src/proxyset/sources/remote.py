"""Files on object storage or a web server, by fsspec: what `pathlib.Path` is to the readers, for a URL.

Where fsspec lacks its own package for a cloud (s3fs, gcsfs, adlfs), obstore takes its place, as for indexes (`cloud.store`).

For pools. Private data is read from the owner's own machine: the client refuses URLs.
"""

from __future__ import annotations

import io
import sys
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from proxyset.errors import InvalidData, MissingExtra, needing

_BUFFER_BYTES = 4 << 20


def is_url(path: object) -> bool:
    """Whether this names something that is not in the file system: "s3://bucket/pool", "https://host/a.parquet"."""
    return "://" in str(path)


class RemotePath:
    """The part of `pathlib.Path` that readers of pools use.

    Args:
        url: as fsspec takes it.

    Raises:
        MissingExtra: fsspec, or what it needs for this protocol, is not installed.
        InvalidData: the URL has a protocol that fsspec does not know.
    """

    def __init__(self, url: str) -> None:
        with needing("remote", "pools on object storage"):
            import fsspec
        self._url = url.rstrip("/")
        protocol = url.split("://", 1)[0]
        try:
            self._files, self._path = fsspec.core.url_to_fs(self._url)
        except ValueError as error:
            raise InvalidData(f"{url} cannot be read: {error}") from None
        except ImportError as error:
            store = _of_obstore()
            if store is None or protocol not in ("s3", "gs", "az"):
                raise MissingExtra(
                    f"a package for {protocol}", "store", f"{protocol}:// URLs ({error})"
                ) from None
            self._files, self._path = store(protocol), self._url.partition("://")[2]

    def __str__(self) -> str:
        return self._url

    @property
    def name(self) -> str:
        return PurePosixPath(self._path).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self._path).suffix

    @cached_property
    def _info(self) -> dict[str, Any] | None:
        try:
            return dict(self._files.info(self._path))
        except FileNotFoundError:
            return None

    def exists(self) -> bool:
        return self._info is not None

    def is_file(self) -> bool:
        return self._info is not None and self._info["type"] == "file"

    def is_dir(self) -> bool:
        return self._info is not None and self._info["type"] == "directory"

    def open(self, mode: str = "rb") -> BinaryIO:
        return cast(BinaryIO, self._files.open(self._path, mode))

    def part(self, start: int, stop: int) -> bytes:
        """The bytes between two offsets, and no more of the file."""
        return bytes(self._files.cat_file(self._path, start=start, end=stop))

    @property
    def size(self) -> int:
        """Of a file that is there, in bytes."""
        return int((self._info or {})["size"])

    def buffered(self) -> BinaryIO:
        """The file, read some megabytes at a time, with lines of limited length, as files of this machine have them."""
        return cast(BinaryIO, io.BufferedReader(_Raw(self), _BUFFER_BYTES))

    def below(self) -> dict[str, str]:
        """All files below: path relative to this one → what tells a changed file from the same (its tag, else its size)."""
        found = self._files.find(self._path, detail=True)
        if self.is_file():
            return {"": _version(self._info or {})}
        return {name[len(self._path) :].lstrip("/"): _version(info) for name, info in found.items()}


def _of_obstore() -> Any:
    try:
        from obstore.fsspec import FsspecStore
    except ImportError:
        return None
    return FsspecStore


class _Raw(io.RawIOBase):
    """A file in pieces, each a request of its own."""

    def __init__(self, path: RemotePath) -> None:
        self._path, self._at = path, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._path.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._path.size)
        data = self._path.part(self._at, stop) if self._at < stop else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def failures() -> tuple[type[Exception], ...]:
    """What reading may raise: the system's errors, and those of obstore, which are none of them, where it was used."""
    there = sys.modules.get("obstore.exceptions")
    return (OSError,) if there is None else (OSError, there.BaseError)


def refusals() -> tuple[type[Exception], ...]:
    """Those that come again however often one tries."""
    there = sys.modules.get("obstore.exceptions")
    of_obstore = () if there is None else (there.PermissionDeniedError, there.UnauthenticatedError)
    return (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, *of_obstore)


def _version(info: dict[str, Any]) -> str:
    kept = ("ETag", "etag", "e_tag", "md5Hash", "mtime", "LastModified", "last_modified", "created", "size")
    return ", ".join(f"{name} {info[name]}" for name in kept if info.get(name) is not None)
