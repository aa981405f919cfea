"""Which files of a path are data, and in which format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal

from proxyset.errors import InvalidData
from proxyset.sources.clip_retrieval import embedding_files
from proxyset.sources.files import Place, list_files, reading
from proxyset.sources.remote import RemotePath
from proxyset.sources.source import Kind
from proxyset.sources.webdataset import IMAGE_EXTENSIONS

Format = Literal["clip-retrieval", "tar", "parquet", "jsonl", "csv", "npy", "images"]

SUFFIXES: dict[Format, tuple[str, ...]] = {
    "tar": (".tar",),
    "parquet": (".parquet", ".pq"),
    "jsonl": (".jsonl", ".ndjson"),
    "csv": (".csv", ".tsv"),
    "npy": (".npy",),
    "images": tuple(f".{extension}" for extension in IMAGE_EXTENSIONS),
}

_REMOTE: tuple[Format, ...] = ("parquet", "tar")

# The kinds of items that a format can give.
KINDS: dict[Format, tuple[Kind, ...]] = {
    "clip-retrieval": ("embedding",),
    "tar": ("image", "text"),
    "parquet": ("image", "text", "embedding", "table"),
    "jsonl": ("text",),
    "csv": ("text", "table"),
    "npy": ("embedding",),
    "images": ("image",),
}


def detect(path: Place, kind: Kind | None) -> tuple[Format, tuple[str, ...]]:
    """The format, and the files that are in it, relative to `path` ("" if `path` is the file).

    Raises:
        InvalidData: nothing is there, or nothing that can give items of the kind, or more than one format.
    """
    with reading(path):
        is_folder, is_file = path.is_dir(), path.is_file()
    if not is_folder and not is_file:
        raise InvalidData(
            f"{path} does not exist" if not path.exists() else f"{path} is neither a file nor a folder"
        )
    files = list_files(path) if is_folder else [path.name]
    found = _by_format(files, kind)
    if is_file:
        found.pop("images", None)  # one image is not a folder of them
    if not found:
        raise InvalidData(_nothing(path, files, kind))
    if len(found) > 1:
        formats = " and ".join(
            f"{name} ({len(files)} files, such as {files[0]})" for name, files in found.items()
        )
        raise InvalidData(
            f"{path} holds {formats}; name one file or folder of them, or say which kind you mean"
        )
    ((chosen, names),) = found.items()
    if chosen == "npy":
        names = sorted(names, key=_counted)
    if isinstance(path, RemotePath) and chosen not in _REMOTE:
        raise InvalidData(
            f"{path} holds {chosen}; from a URL only {' and '.join(_REMOTE)} files are read: copy the others here first"
        )
    return chosen, tuple(names) if is_folder else ("",)


def _counted(file: str) -> list[tuple[int, str]]:
    """As people count: emb_2 comes before emb_10."""
    return [(int(part), part) if part.isdecimal() else (0, part) for part in re.split("([0-9]+)", file)]


def _by_format(files: Sequence[str], kind: Kind | None) -> dict[Format, list[str]]:
    """The files of every format that can give the kind, without those that only accompany others."""
    if kind in (None, "embedding") and (arrays := embedding_files(files)):
        return {"clip-retrieval": arrays}
    format_of = {suffix: name for name in _possible(kind) for suffix in SUFFIXES[name]}
    found: dict[Format, list[str]] = {}
    for file in files:
        if name := format_of.get(PurePosixPath(file).suffix.lower()):
            found.setdefault(name, []).append(file)
    if "images" in found:  # lists and labels beside images; whoever means them can name the file
        found = {name: matching for name, matching in found.items() if name in ("images", "tar", "parquet")}
    if "parquet" in found:  # img2dataset writes 00000.parquet about 00000.tar or 00000/
        described = {str(PurePosixPath(file).with_suffix("")) for file in found.get("tar", ())}
        described.update(str(PurePosixPath(file).parent) for file in found.get("images", ()))
        if described.issuperset(str(PurePosixPath(file).with_suffix("")) for file in found["parquet"]):
            del found["parquet"]
    return found


def _possible(kind: Kind | None) -> list[Format]:
    return [name for name in SUFFIXES if kind is None or kind in KINDS[name]]


def _nothing(path: Place, files: Sequence[str], kind: Kind | None) -> str:
    looked = "; ".join(f"{name} ({' '.join(SUFFIXES[name])})" for name in _possible(kind))
    of_kind = f" of kind {kind}" if kind else ""
    return f"{path} has no data{of_kind} that can be read ({len(files)} files); looked for {looked}"
