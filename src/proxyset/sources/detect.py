"""Which files of a path are data, and in which format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from proxyset.errors import InvalidData
from proxyset.sources.clip_retrieval import embedding_files
from proxyset.sources.files import Place, list_files, locate, reading, unless_damaged
from proxyset.sources.remote import is_url
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


# How the files of pictures begin that proxyset reads: JPEG, PNG, GIF, TIFF, JPEG XL, JPEG 2000, WebP, HEIC and AVIF, DICOM.
_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|II\*\0|MM\0\*|\xff\x0a|\0\0\0\x0cJXL |\0\0\0\x0cjP  |RIFF....WEBP"
    rb"|....ftyp(?:avi[fs]|he[iv][cxs]|mif1|msf1)|.{128}DICM",
    re.DOTALL,
)
_NO_SUFFIX = re.compile(r"\.[0-9]*|")  # the names of DICOM files often are numbers with points
_DIRECTORY = "DICOMDIR"  # a list of such files


def form_of(folder: str, file: str, forms: Mapping[str, Format]) -> Format | None:
    """The form of a file by the suffix of its name; one without a suffix is a picture if it begins as one.

    Args:
        folder, file: where it lies, as `files.locate_any` takes it.
        forms: suffix → form, of those that are looked for.

    Raises:
        ReadFailed: a file without a suffix cannot be read now.
    """
    name = PurePosixPath(file)
    if found := forms.get(name.suffix.lower()):
        return found
    if (
        "images" not in forms.values()
        or not _NO_SUFFIX.fullmatch(name.suffix)
        or name.name == _DIRECTORY
        or is_url(folder)
    ):
        return None
    begins = unless_damaged(
        lambda: _begins(locate(folder, file))
    )  # not ours to read: passed over, and counted
    return "images" if begins is not None and _PICTURE.match(begins) else None


def _begins(path: Path) -> bytes:
    with reading(path), path.open("rb") as opened:
        return opened.read(132)


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
    found = _by_format(str(path) if is_folder else _parent(path), files, kind)
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
    return chosen, tuple(names) if is_folder else ("",)


def _parent(path: Place) -> str:
    return str(path.parent) if isinstance(path, Path) else str(path).rpartition("/")[0]


def _counted(file: str) -> list[tuple[int, str]]:
    """As people count: emb_2 comes before emb_10."""
    return [(int(part), part) if part.isdecimal() else (0, part) for part in re.split("([0-9]+)", file)]


def _by_format(folder: str, files: Sequence[str], kind: Kind | None) -> dict[Format, list[str]]:
    """The files of every format that can give the kind, without those that only accompany others."""
    if kind in (None, "embedding") and (arrays := embedding_files(files)):
        return {"clip-retrieval": arrays}
    forms = forms_of(kind)
    found: dict[Format, list[str]] = {}
    for file in files:
        if name := form_of(folder, file, forms):
            found.setdefault(name, []).append(file)
    if "images" in found:  # lists and labels beside images; whoever means them can name the file
        found = {name: matching for name, matching in found.items() if name in ("images", "tar", "parquet")}
    if "parquet" in found:  # img2dataset writes 00000.parquet about 00000.tar or 00000/
        described = {str(PurePosixPath(file).with_suffix("")) for file in found.get("tar", ())}
        described.update(str(PurePosixPath(file).parent) for file in found.get("images", ()))
        if described.issuperset(str(PurePosixPath(file).with_suffix("")) for file in found["parquet"]):
            del found["parquet"]
    return found


def forms_of(kind: Kind | None) -> dict[str, Format]:
    """Suffix → form, of those that can give the kind."""
    return {suffix: name for name in _possible(kind) for suffix in SUFFIXES[name]}


def _possible(kind: Kind | None) -> list[Format]:
    return [name for name in SUFFIXES if kind is None or kind in KINDS[name]]


def _nothing(path: Place, files: Sequence[str], kind: Kind | None) -> str:
    looked = "; ".join(f"{name} ({' '.join(SUFFIXES[name])})" for name in _possible(kind))
    of_kind = f" of kind {kind}" if kind else ""
    return f"{path} has no data{of_kind} that can be read ({len(files)} files); looked for {looked}"
