"""Files that are whole or not there: write beside the target, flush to the disk, rename. And a word when the disk is full."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxyset.errors import DiskFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` so that a crash or a full disk leaves the old file or none, never a part.

    Raises:
        DiskFull: there is no room. OSError: the folder cannot be written. `path` is as it was before.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed and renamed over `path`, else removed.

    Raises:
        DiskFull: there is no room; `path` is as it was before.
    """
    target = Path(path)
    with room_for(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            _flush(temporary)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush(target.parent)


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it becomes `path`, else it is removed.

    Raises:
        FileExistsError: `path` is already there (nothing is overwritten).
        DiskFull: there is no room; nothing is left.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} already exists; choose another name or remove it")
    with room_for(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if target.is_dir():
                target.rmdir()
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _flush(target.parent)


@contextmanager
def room_for(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an error of a full disk name `path`: by itself it names nothing, or a file that is gone again.

    Raises:
        DiskFull: in the place of an OSError that says so.
    """
    target = Path(path)
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or not _belongs(error.filename, target):
            raise
        raise DiskFull(error.errno, os.strerror(error.errno), str(path)) from error


def _belongs(filename: object, target: Path) -> bool:
    """Whether an error that names this file, or none, is about the target or what becomes it."""
    if filename is None:
        return True
    named, folder = Path(str(filename)).resolve(), target.parent.resolve()
    return named == folder / target.name or str(named).startswith(str(folder / f".{target.name}."))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
