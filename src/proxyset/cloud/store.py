"""Folders of the cloud's side, on this machine or on object storage, by one interface.

A place on this machine is a `pathlib.Path`, and its files are whole or not there by a rename (`atomic`). A place on object storage
(s3://, gs://, az://) is a `StorePath`: an object is whole or not there by the store's own word, there is no rename, and what must
not be written twice is put on a condition. Of both, what says that a folder is finished is written last.

Reading copies an object into TMPDIR and lets go of it: the files of an index are read from one end to the other in any case.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from proxyset import atomic
from proxyset.atomic import room_for
from proxyset.errors import InvalidInput, MissingExtra, TransportError
from proxyset.sources.remote import is_url

_TMPDIR = f"{tempfile.gettempdir()} (TMPDIR)"


@dataclass(frozen=True)
class StorePath:
    """A folder or an object of a store: the part of `pathlib.Path` that an index needs.

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
        import obstore

        with _asked(self):
            try:
                obstore.head(_folder(self.parent.url), self.name)
            except FileNotFoundError:
                return False
        return True

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
            return bytes(found.bytes()), {
                name: found.meta[name] for name in ("e_tag", "version") if found.meta[name] is not None
            }

    def download(self, target: Path) -> None:
        import obstore

        with _asked(self), target.open("wb") as file:
            for chunk in obstore.get(_folder(self.parent.url), self.name).stream():
                file.write(chunk)

    def put(self, data: bytes | Path) -> None:
        import obstore

        with _asked(self):
            obstore.put(_folder(self.parent.url), self.name, data)

    def exchange(self, before: bytes | None, data: bytes) -> None:
        """Put bytes where these lie, or nothing; to find the new ones there already does no harm."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with _asked(self):
            try:
                if before is None:
                    obstore.put(_folder(self.parent.url), self.name, data, mode="create")
                    return
                found, marks = self._read()
                if found == before:
                    obstore.put(_folder(self.parent.url), self.name, data, mode=marks)
                    return
            except (AlreadyExistsError, PreconditionError):
                pass
            if self.read_bytes() != data:
                raise InvalidInput(
                    f"another process is writing {self} with other arguments: wait for it, or choose another place"
                )


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
    try:
        from obstore.exceptions import BaseError
    except ImportError:
        raise MissingExtra("obstore", "store", "indexes and proxy sets on object storage") from None
    try:
        _folder(url)
    except BaseError as error:
        raise InvalidInput(
            f"{given} is no place that can be written: {_first_line(error)}. Give a folder, or s3://, gs:// or az:// and a bucket"
        ) from None
    return StorePath(url)


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
def new_folder(path: Place, last: str) -> Iterator[Path]:
    """Yield a folder of this machine for what becomes the place; on success it is there, whole.

    Args:
        last: name of the file without which nobody reads the others: in a store it is put last, and a place without it may be
            written.

    Raises:
        FileExistsError: the place is there already.
    """
    if isinstance(path, Path):
        with atomic.new_folder(path) as temporary:
            yield temporary
        return
    _check_new(path / last)
    with _temporary() as folder:
        yield folder
        upload(folder, path, last)


def upload(source: Path, target: StorePath, last: str) -> None:
    """Put a file, or a folder with all that is in it.

    Args:
        last: name of the file of a folder that is put last; where there is none, the last of all by name.

    Raises:
        FileExistsError: the file is there, or of a folder the one that is put last.
    """
    if source.is_file():
        _check_new(target)
        target.put(source)
        return
    names = sorted(_names(source), key=lambda name: (name == last, name))
    _check_new(target / names[-1])
    for name in names:
        (target / name).put(source / name)


def _check_new(path: StorePath) -> None:
    if path.is_file():
        raise FileExistsError(f"{path} already exists; choose another name or remove it")


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
    except BaseError as error:
        raise TransportError(f"{path} cannot be reached: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
