"""Private pictures: files of a folder, and samples of tar files (also texts)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from proxyset.encoders.cells import canonical
from proxyset.errors import InvalidData
from proxyset.sources.batches import IMAGE_BATCH, ROW_BATCH
from proxyset.sources.columns import json_object
from proxyset.sources.files import ReadFailed, read_item, unless_damaged
from proxyset.sources.private.records import Record, Wanted, gathered, spelled
from proxyset.sources.source import Batch
from proxyset.sources.tar import members
from proxyset.sources.webdataset import IMAGE_EXTENSIONS, split

_META = ("txt", "json", "cls")


def read_images(files: Iterable[tuple[Path, str]], wanted: Wanted) -> Iterator[Batch]:
    """Pictures; their only further column is "label", the first folder on the path."""
    return gathered((_image(path, file) for path, file in files), wanted, IMAGE_BATCH)


def _image(path: Path, file: str) -> Record:
    columns = {"label": canonical(file.split("/", 1)[0]) if "/" in file else None}
    data = unless_damaged(lambda: read_item(path))
    why = "its file cannot be read, or is too large" if data is None else None
    return Record(file, data or b"", columns, why)


def read_tar(path: Path, file: str, wanted: Wanted) -> Iterator[Batch]:
    """The samples of a tar file. A member that has a sample's extension again begins a sample of its own.

    Where the tar is damaged, its members end; what came before is read.
    """
    passed = Counter[str]()
    most = IMAGE_BATCH if wanted.kind == "image" else ROW_BATCH
    return gathered(_samples(path, file, wanted, passed), wanted, most, passed)


def _samples(path: Path, file: str, wanted: Wanted, passed: Counter[str]) -> Iterator[Record]:
    of_items = IMAGE_EXTENSIONS if wanted.kind == "image" else ("txt",)
    prefix = f"{PurePosixPath(file).with_suffix('')}/" if file else ""
    current, parts = "", dict[str, bytes | None]()

    def sample() -> Iterator[Record]:
        if not parts.keys().isdisjoint(of_items):
            yield _sample(prefix + current, parts, of_items, wanted)

    try:
        for name, read in members(path, any_name=True, passed=passed):
            key, extension = split(name)
            if key != current or extension in parts:
                yield from sample()
                current, parts = key, {}
            if extension in of_items or extension in _META:
                parts[extension] = unless_damaged(read)
            else:
                passed[f"members .{extension}"] += 1
    except ReadFailed:
        raise
    except InvalidData:
        yield from sample()
        yield Record(
            prefix + "…", b"" if wanted.kind == "image" else "", unread="its tar is damaged from here on"
        )
        return
    yield from sample()


def _sample(name: str, parts: dict[str, bytes | None], of_items: tuple[str, ...], wanted: Wanted) -> Record:
    values = _object(parts.get("json"))
    values |= {
        name: _text(parts[part]) for name, part in (("label", "cls"), ("caption", "txt")) if part in parts
    }
    columns = spelled(values, wanted)
    data = next(data for part, data in parts.items() if part in of_items)
    if wanted.kind == "image":
        return Record(name, data or b"", columns, "its member cannot be read" if data is None else None)
    text = _text(data)
    return Record(name, text or "", columns, "its text is not UTF-8" if text is None else None)


def _object(data: bytes | None) -> dict[str, object]:
    try:
        return json_object(_text(data) or "{}", "the sample") or {}
    except InvalidData:
        return {}


def _text(data: bytes | None) -> str | None:
    try:
        return None if data is None else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
