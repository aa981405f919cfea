"""Regular members of a tar file, one after the other, without ever unpacking one to the disk."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

from proxyset.errors import InvalidData
from proxyset.sources.files import MAX_ITEM_BYTES, Place, reading, too_large

# What a damaged or forged header makes the standard library raise.
_DAMAGE = (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError)


def members(
    path: Place, any_name: bool = False, passed: Counter[str] | None = None
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """(name, function that reads it) of every regular file in the tar; read it before asking for the next.

    Folders, links, devices and hidden files are passed over. Uses memory for one member, however many there
    are.

    Args:
        any_name: give members whose name leaves the archive, too; for readers to whom a name is but a name.
        passed: where links and devices are counted.

    Raises:
        InvalidData: it is not a plain tar file, is damaged or cut short, goes on after its end, or a name leaves the archive.
    """
    with reading(path), path.open("rb") as file:
        archive = _open(path, file)
        last = -1
        while (info := _next(path, archive)) is not None:
            if info.offset <= last:  # a forged size can lead back to where we were, for ever
                raise _damaged(path, f"the header at byte {info.offset} leads backwards")
            last = info.offset
            if info.isdir():  # "." among them, as `tar -C folder .` writes it
                continue
            name = info.name if any_name else _safe(path, info.name)
            if PurePosixPath(name).name.startswith("."):
                continue
            if info.isfile():
                yield name, partial(_read, path, archive, info)
            elif passed is not None:
                passed[
                    "links to other members" if info.islnk() or info.issym() else "members that are no files"
                ] += 1
        # The standard library stops quietly at a damaged header or a missing end: only blocks of zeros are
        # the end.
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise _damaged(path, f"no end marker at byte {archive.offset}")
        while block := file.read(1 << 20):
            if block.count(0) < len(block):
                raise _damaged(
                    path,
                    f"it goes on after its end at byte {archive.offset}: are these several tar files joined?",
                )


def _open(path: Place, file: BinaryIO) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=file, mode="r:", encoding="utf-8")
    except _DAMAGE as error:
        raise _damaged(path, f"not a plain tar file ({error}); unpack a compressed one first") from error


def _next(path: Place, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        info = archive.next()
    except _DAMAGE as error:
        raise _damaged(path, str(error)) from error
    archive.members = []  # type: ignore[attr-defined]  # it remembers every member otherwise
    return info


def _safe(path: Place, name: str) -> str:
    parts = [part for part in name.split("/") if part != "."]
    if name.startswith("/") or ".." in parts or not any(parts):
        raise InvalidData(
            f"{path}: the member {name!a} has a name that leaves the archive; do not use this file"
        )
    return "/".join(parts)


def _read(path: Place, archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    if info.size > MAX_ITEM_BYTES:
        raise too_large(f"{path}: the member {info.name!a}")
    try:
        content = archive.extractfile(info)
        data = content.read() if content else b""
    except _DAMAGE as error:
        raise _damaged(path, f"the member {info.name!a}: {error}") from error
    if len(data) != info.size:
        raise _damaged(path, f"the member {info.name!a} has {len(data)} of {info.size} bytes")
    return data


def _damaged(path: Place, why: str) -> InvalidData:
    return InvalidData(f"{path} is damaged or cut short: {why}; fetch or write it again")
