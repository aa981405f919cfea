"""Files on object storage or a web server, by fsspec: what `pathlib.Path` is to the readers, for a URL.

For pools. Private data is read from the owner's own machine: the client refuses URLs.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from proxyset.errors import InvalidData, MissingExtra


def is_url(path: object) -> bool:
    """Whether this names something that is not in the file system: "s3://bucket/pool", "https://host/a.parquet"."""
    return "://" in str(path)


class RemotePath:
    """The part of `pathlib.Path` that readers of Parquet and tar files use.

    Args:
        url: as fsspec takes it.

    Raises:
        MissingExtra: fsspec, or what it needs for this protocol, is not installed.
        InvalidData: the URL has a protocol that fsspec does not know.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise MissingExtra("fsspec", "remote", "pools on object storage") from None
        self._url = url.rstrip("/")
        protocol = url.split("://", 1)[0]
        try:
            self._files, self._path = fsspec.core.url_to_fs(self._url)
        except ValueError as error:
            raise InvalidData(f"{url} cannot be read: {error}") from None
        except ImportError as error:
            raise MissingExtra(
                f"a package for {protocol}", "remote", f"{protocol}:// URLs ({error})"
            ) from None

    def __str__(self) -> str:
        return self._url

    @property
    def name(self) -> str:
        return PurePosixPath(self._path).name

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

    def below(self) -> dict[str, str]:
        """All files below: path relative to this one → what tells a changed file from the same (its tag, else its size)."""
        found = self._files.find(self._path, detail=True)
        if self.is_file():
            return {"": _version(self._info or {})}
        return {name[len(self._path) :].lstrip("/"): _version(info) for name, info in found.items()}


def _version(info: dict[str, Any]) -> str:
    kept = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created", "size")
    return ", ".join(f"{name} {info[name]}" for name in kept if info.get(name) is not None)
