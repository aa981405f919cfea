"""Places of the cloud's side, on this machine or on object storage, by one interface.

A place on this machine is a `pathlib.Path`, and its files are whole or not there by a rename (`atomic`). A place on object storage
(s3://, gs://, az://) is a `StorePath`: an object is whole or not there by the store's own word, there is no rename, and what must
not be written twice is put on a condition. Of both, what says that a folder is finished is written last.

Reading copies an object into TMPDIR and lets go of it: the files of an index are read from one end to the other in any case.
Messages and models are read into memory, as from a file (`wire.files.Readable`).
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from proxyset import atomic
from proxyset.atomic import room_for
from proxyset.errors import InvalidInput, TransportError, needing
from proxyset.sources.remote import is_url

STORES = ("s3", "gs", "az")
_TMPDIR = f"{tempfile.gettempdir()} (TMPDIR)"
_ONE_PIECE = 64 << 20  # bytes; what is larger goes in parts, and a put in parts takes no condition


class Size(NamedTuple):
    """Of `os.stat_result` what a reader of messages asks for, in bytes."""

    st_size: int


@dataclass(frozen=True)
class StorePath:
    """A folder or an object of a store: the part of `pathlib.Path` that indexes, proxy sets and models need.

    Attributes:
        url: such as "s3://bucket/index". Where the store is and who asks say the environment's variables (AWS_…, GOOGLE_…,
            AZURE_…).
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> StorePath:
        return StorePath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> StorePath:
        return StorePath(self.url.rpartition("/")[0])

    def absolute(self) -> StorePath:
        return self

    def is_file(self) -> bool:
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def stat(self) -> Size:
        """Raises FileNotFoundError where there is no object."""
        import obstore

        with _asked(self):
            return Size(int(obstore.head(_folder(self.parent.url), self.name)["size"]))

    def is_dir(self) -> bool:
        """Whether anything lies below."""
        return next(self.below(), None) is not None

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def below(self) -> Iterator[str]:
        """Names of all objects below, relative to this place."""
        import obstore

        with _asked(self):
            for some in obstore.list(_folder(self.url)):
                yield from (found["path"] for found in some)

    def read_bytes(self) -> bytes:
        return self._read()[0]

    def _read(self) -> tuple[bytes, Any]:
        """The bytes, and the store's marks of this version of them."""
        import obstore

        with _asked(self):
            found = obstore.get(_folder(self.parent.url), self.name)
            return bytes(found.bytes()), _marks(found.meta)

    def download(self, target: Path) -> dict[str, Any]:
        """Copy the object into a file of this machine; returns the store's marks of this version of it."""
        import obstore

        with _asked(self):
            found = obstore.get(_folder(self.parent.url), self.name)
            with target.open("wb") as file:
                for chunk in found.stream():
                    file.write(chunk)
            return _marks(found.meta)

    def put(self, data: bytes | Path) -> None:
        import obstore

        with _asked(self):
            obstore.put(_folder(self.parent.url), self.name, data)

    def put_over(self, marks: dict[str, Any] | None, data: bytes | Path) -> dict[str, Any] | None:
        """Put an object over the version that has these marks, or where none is (None).

        Returns:
            The marks of what was put; None where another version lies there, and so nothing was put.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with _asked(self):
            try:
                mode: Any = "create" if marks is None else marks
                return _marks(obstore.put(_folder(self.parent.url), self.name, data, mode=mode))
            except (AlreadyExistsError, PreconditionError):
                found, there = self._read()
                # a put whose answer was lost is tried again, and finds itself
                return there if found == (data if isinstance(data, bytes) else data.read_bytes()) else None

    def exchange(self, before: bytes | None, data: bytes) -> None:
        """Put bytes where these lie, or nothing; to find the new ones there already does no harm."""
        found, marks = (None, None) if before is None else self._read()
        if found == before and self.put_over(marks, data) is not None:
            return
        if self.read_bytes() != data:
            raise _written_by_another(self)


Place = Path | StorePath


def place(given: str | PathLike[str] | Place) -> Place:
    """A folder of this machine, or a URL of a store.

    Raises:
        InvalidInput: the URL has a protocol that no store is reached by. MissingExtra: obstore is not installed.
    """
    if isinstance(given, StorePath):
        return given
    if not is_url(given):
        return Path(given)
    url = str(given).rstrip("/")
    wanted = "Give a folder of this machine, or s3://, gs:// or az:// and a bucket"
    if not in_store(url):
        raise InvalidInput(f"{given} is no place that can be written. {wanted}")
    with needing("store", "indexes, proxy sets and models on object storage"):
        from obstore.exceptions import BaseError
    try:
        _folder(url)
    except BaseError as error:
        raise InvalidInput(
            f"{given} is no place that can be written: {_first_line(error)}. {wanted}"
        ) from None
    return StorePath(url)


def in_store(given: object) -> bool:
    """Whether this is the URL of a place on object storage that can be written, and not only read."""
    return str(given).partition("://")[0] in STORES and is_url(given)


class Draft:
    """A file that one process replaces again and again while it works, such as the checkpoint of a training.

    On object storage each put is on the condition that what lies there is what this process read or put last: of two that work on
    one place, the slower stops. On a disk whoever writes last wins, as before.

    Args:
        path: of the file; it need not be there.
    """

    def __init__(self, path: Place) -> None:
        self._path = path
        self._marks: dict[str, Any] | None = None

    @contextmanager
    def reading(self) -> Iterator[Path | None]:
        """The file on this machine, as `reading` yields it; None where there is none yet."""
        if not self._path.is_file():
            yield None
        elif isinstance(self._path, Path):
            yield self._path
        else:
            with _temporary() as folder:
                self._marks = self._path.download(folder / self._path.name)
                yield folder / self._path.name

    def write(self, data: bytes) -> None:
        """Replace the file.

        Raises:
            InvalidInput: another process wrote it meanwhile.
        """
        if isinstance(self._path, Path):
            atomic.write_bytes(self._path, data)
            return
        self._marks = self._path.put_over(self._marks, data)
        if self._marks is None:
            raise _written_by_another(self._path)


def write_bytes(path: Place, data: bytes) -> None:
    """Write a file that is whole or not there, over whatever is there."""
    if isinstance(path, StorePath):
        path.put(data)
    else:
        atomic.write_bytes(path, data)


def exchange(path: Place, before: bytes | None, data: bytes) -> None:
    """The same, where of two processes that do it only one may (of a folder here, one process holds all: `alone`).

    Args:
        before: what was read there; None where nothing was.

    Raises:
        InvalidInput: another process was faster, with other bytes.
    """
    if isinstance(path, StorePath):
        path.exchange(before, data)
    else:
        atomic.write_bytes(path, data)


@contextmanager
def replacing(path: Place) -> Iterator[Path]:
    """Yield a path of this machine for what becomes the file; on success it is there, whole."""
    if isinstance(path, Path):
        with atomic.replacing(path) as temporary:
            yield temporary
        return
    with _temporary() as folder:
        yield folder / path.name
        path.put(folder / path.name)


@contextmanager
def reading(path: Place) -> Iterator[Path]:
    """The file on this machine: itself, or a copy that goes away.

    Raises:
        FileNotFoundError: it is not there.
    """
    if isinstance(path, Path):
        yield path
        return
    with _temporary() as folder:
        path.download(folder / path.name)
        yield folder / path.name


@contextmanager
def new_folder(path: Place, *last: str) -> Iterator[Path]:
    """Yield a folder of this machine for what becomes the place; on success it is there, whole.

    Args:
        last: names of the files without which nobody reads the others: in a store they are put last, in this order, wherever in the
            folder they lie; a place without the very last one may be written.

    Raises:
        FileExistsError: the place is there already.
    """
    if isinstance(path, Path):
        with atomic.new_folder(path) as temporary:
            yield temporary
        return
    check_new(path, *last)
    with _temporary() as folder:
        yield folder
        upload(folder, path, *last)


def check_new(path: Place, *last: str) -> None:
    """What `new_folder` asks first, for those who work long before they write.

    Raises:
        FileExistsError: the place is there already.
    """
    if isinstance(path, Path):
        atomic.check_new(path)
    elif (path / last[-1]).is_file() if last else path.exists():
        raise _taken(path)


def upload(source: Path, target: StorePath, *last: str) -> None:
    """Put a file, or a folder with all that is in it; of two that do it at once, one.

    Args:
        last: names of the files of a folder that are put last, in this order; where there are none, the last of all by name is.

    Raises:
        FileExistsError: the file is there, or of a folder the one that is put last.
    """
    if source.is_file():
        _put_new(target, source)
        return
    order = {name: number for number, name in enumerate(last, 1)}
    names = sorted(_names(source), key=lambda name: (order.get(name.rpartition("/")[2], 0), name))
    if not names:
        return
    check_new(target, names[-1])
    for name in names[:-1]:
        (target / name).put(source / name)
    _put_new(target / names[-1], source / names[-1])


def _put_new(path: StorePath, source: Path) -> None:
    small = source.stat().st_size <= _ONE_PIECE
    if path.is_file() or (small and path.put_over(None, source) is None):
        raise _taken(path)
    if not small:
        path.put(source)


def _taken(path: StorePath) -> FileExistsError:
    return FileExistsError(f"{path} already exists; choose another name or remove it")


def _written_by_another(path: StorePath) -> InvalidInput:
    return InvalidInput(
        f"another process is writing {path} with other arguments: wait for it, or choose another place"
    )


def _marks(meta: Any) -> dict[str, Any]:
    return {name: meta[name] for name in ("e_tag", "version") if meta[name] is not None}


def is_taken(path: Place) -> bool:
    """Whether something lies there."""
    if isinstance(path, StorePath):
        return path.exists()
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def copy(source: Place, target: Path) -> None:
    """Copy a finished folder into one of this machine that is there."""
    if isinstance(source, Path):
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    with room_for(target):
        for name in sorted(source.below()):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).download(target / name)


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def _temporary() -> Iterator[Path]:
    with room_for(_TMPDIR), tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
        yield Path(folder)


@functools.lru_cache(maxsize=32)
def _folder(url: str) -> Any:
    from obstore.store import from_url

    return from_url(url)


@contextmanager
def _asked(path: StorePath) -> Iterator[None]:
    """Say which object it was that a store did not give or take."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path.url) from None
    except BaseError as error:
        raise TransportError(f"{path} cannot be reached: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
