"""Files that are whole or not there: write beside the target, flush to the disk, rename. And a word when the disk is full.

Who may read a file is settled by the call that creates it, and never widened after that: a secret file has the mode `SECRET`
from its first byte on, whatever moment a crash takes. Ordinary files get what the process's umask says, from the kernel; nothing
here asks for the umask, which only a change of it can tell, and that for all threads at once.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxyset.errors import DiskFull, InvalidInput

SECRET = (
    0o600  # of files that are nobody's but the owner's; folders made for them can be entered by nobody else
)
_ORDINARY = 0o666
_PROTOCOL = re.compile(r"[a-z][a-z0-9+.-]+:")  # what pathlib leaves of a URL's beginning
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_bytes(path: str | os.PathLike[str], data: bytes, mode: int = _ORDINARY) -> None:
    """Write `data` to `path` so that a crash or a full disk leaves the old file or none, never a part.

    Args:
        mode: as for `replacing`.

    Raises:
        DiskFull: there is no room. OSError: the folder cannot be written. `path` is as it was before.
    """
    with replacing(path, mode) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: str | os.PathLike[str], mode: int = _ORDINARY) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed and renamed over `path`, else removed.

    Args:
        mode: who may read and write the file, less what the umask takes away; `SECRET` for the owner alone. Folders that are
            missing on the way to it can be entered by those who may read the file.

    Raises:
        DiskFull: there is no room; `path` is as it was before.
    """
    target = Path(path)
    with room_for(target):
        make_folder(target.parent, mode)
        temporary = _beside(target)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush(target.parent)


@contextmanager
def new_folder(path: str | os.PathLike[str], mode: int = _ORDINARY) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it becomes `path`, else it is removed.

    Args:
        mode: of files in it; those who may read them can enter the folder.

    Raises:
        FileExistsError: `path` is already there (nothing is overwritten).
        DiskFull: there is no room; nothing is left.
    """
    target = Path(path)
    check_new(target)
    with room_for(target):
        make_folder(target.parent, mode)
        temporary = _beside(target)
        temporary.mkdir(_enterable(mode))
        try:
            yield temporary
            if target.is_dir():
                target.rmdir()
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _flush(target.parent)


def check_new(path: str | os.PathLike[str]) -> None:
    """What `new_folder` asks first, for those who work long before they write.

    Raises:
        FileExistsError: `path` is already there, and no empty folder.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} already exists; choose another name or remove it")


def make_folder(path: Path, mode: int = _ORDINARY) -> None:
    """Make a folder for files of this mode, and those that are missing on the way; one that is there stays as it is.

    Raises:
        InvalidInput: the path was made of a URL, and would begin with a folder such as "s3:".
    """
    if not path.is_dir():
        if _PROTOCOL.fullmatch(str(path)):
            raise InvalidInput(
                f"a file or folder of this machine is needed here, and a URL was given ({path}//…)"
            )
        make_folder(path.parent, mode)
        path.mkdir(_enterable(mode), exist_ok=True)


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


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")


def _enterable(mode: int) -> int:
    """The mode of a folder: who may read a file may enter."""
    return mode | (mode & 0o444) >> 2
