"""Files of a source: which there are, and errors that name them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar

from proxyset.errors import InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.sources.remote import RemotePath, failures, is_url, refusals

LISTING = "proxyset.jsonl"  # what an export says of each file beside it
MAX_ITEM_BYTES = 1 << 28  # one item larger than 256 MiB is not an item but a mistake, or an attack on memory


_INSIDE = "{out} lies in the pool's folder {pool}, and would be read as a part of it: choose another place"
Place = Path | RemotePath
Found = TypeVar("Found")


class ReadFailed(InvalidData):
    """Reading failed in a way that may pass: a network, a busy file server."""


def place(path: str | os.PathLike[str]) -> Place:
    """A path of this machine, or a URL."""
    return RemotePath(str(path)) if is_url(path) else Path(path)


def locate(path: str, file: str) -> Path:
    """Where a file of a source lies; `file` is relative to `path`, "" is the path itself."""
    return Path(path, file) if file else Path(path)


def locate_any(path: str, file: str) -> Place:
    """The same, also below a URL."""
    if is_url(path):
        return RemotePath(f"{path.rstrip('/')}/{file}" if file else path)
    return locate(path, file)


@contextmanager
def reading(path: Place) -> Iterator[None]:
    """Turn an error of the system or of a store into InvalidData (ReadFailed where it may pass) that names the file."""
    try:
        yield
    except failures() as error:
        raised = InvalidData if isinstance(error, refusals()) else ReadFailed
        why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise raised(f"{path} cannot be read: {why}") from error


def unless_damaged(read: Callable[[], Found]) -> Found | None:
    """What is read; None where that raises InvalidData, unless it may pass (ReadFailed)."""
    try:
        return read()
    except ReadFailed:
        raise
    except InvalidData:
        return None


def list_files(folder: Place) -> list[str]:
    """All files below `folder` as sorted relative posix paths.

    Hidden files and folders are left out. A link to a file counts if the file lies in the folder too; a link
    to a folder is not followed, because what it leads to is either listed already or none of this source's
    business.

    Raises:
        InvalidData: a folder cannot be listed.
    """
    if isinstance(folder, RemotePath):
        with reading(folder):
            return sorted(
                name for name in folder.below() if not any(part[:1] == "." for part in name.split("/"))
            )
    root = os.path.realpath(folder)
    found: list[str] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        with reading(Path(root, prefix)), os.scandir(Path(root, prefix)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{prefix}{entry.name}/")
                elif entry.is_file(follow_symlinks=False) or (
                    entry.is_symlink() and _stays(entry.path, root)
                ):
                    found.append(prefix + entry.name)
    return sorted(found)


def passed_over(path: str, files: Sequence[str]) -> dict[str, int]:
    """What else lies in a source's folder and is not hidden: kind of file, by its suffix → how many."""
    folder = place(path)
    if tuple(files) == ("",) or not folder.is_dir():
        return {}
    return counted(set(list_files(folder)).difference((*files, LISTING)))


def counted(names: Iterable[str]) -> dict[str, int]:
    """Files by their suffix: kind of file → how many."""
    kinds = Counter(PurePosixPath(name).suffix.lower() for name in sorted(names))
    return {
        f"{suffix} files" if suffix else "files without a suffix": count
        for suffix, count in kinds.most_common()
    }


def check_apart(out: object, pool: str) -> None:
    """Whether what is written there will not be taken for the pool's own.

    Raises:
        InvalidInput: it would lie in the pool's folder, where whoever reads the pool next would find it (unless it is hidden).
    """
    if is_url(out) or is_url(pool):
        parts = str(out).removeprefix(f"{pool.rstrip('/')}/").split("/")
        if (
            is_url(pool)
            and f"{out}/".startswith(f"{pool.rstrip('/')}/")
            and not any(p[:1] == "." for p in parts)
        ):
            raise InvalidInput(_INSIDE.format(out=out, pool=pool))
        return
    inside, folder = Path(str(out)).resolve(), Path(pool).resolve()
    if not folder.is_dir() or not inside.is_relative_to(folder):
        return
    if not any(part.startswith(".") for part in inside.relative_to(folder).parts):
        raise InvalidInput(_INSIDE.format(out=out, pool=pool))


def signature(path: str, files: Sequence[str]) -> str:
    """Names, sizes and times of a source's files: enough to notice that they changed between two runs."""
    found = place(path)
    if isinstance(found, RemotePath):
        below = found.below()
        return fingerprint([[file, below[file]] for file in sorted(files)])
    states = [(file, locate(path, file).stat()) for file in sorted(files)]
    return fingerprint([[file, state.st_size, state.st_mtime_ns] for file, state in states])


def _stays(link: str, root: str) -> bool:
    target = Path(os.path.realpath(link))
    return target.is_relative_to(root) and target.is_file()


def read_item(path: Place) -> bytes:
    """The bytes of a file that is one item.

    Raises:
        InvalidData: it cannot be read, or is larger than MAX_ITEM_BYTES.
    """
    with reading(path), path.open("rb") as file:
        data = file.read(MAX_ITEM_BYTES + 1)
    if len(data) > MAX_ITEM_BYTES:
        raise too_large(path)
    return data


def too_large(where: object) -> InvalidData:
    """The error for an item over the limit."""
    return InvalidData(
        f"{where} is larger than {MAX_ITEM_BYTES >> 20} MiB, the most that one item may have; remove it"
    )
