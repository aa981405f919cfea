"""WebDataset tar files, also as img2dataset writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from proxyset.errors import InvalidData
from proxyset.sources.batches import IMAGE_BATCH, ROW_BATCH, Sample, in_batches
from proxyset.sources.columns import ID, OURS, carried, json_object, values
from proxyset.sources.files import locate_any
from proxyset.sources.source import KEPT_COLUMNS, Batch, Kind, Shard
from proxyset.sources.tar import members

IMAGE_EXTENSIONS = (
    "jpg", "jpeg", "jfif", "jpe", "jps", "pjpeg", "pjp", "mpo", "png", "apng", "webp", "bmp", "dib", "gif", "tif", "tiff",
    "ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "jpx", "jpf", "jpc", "j2c", "heic", "heif", "hif", "avif", "jxl", "dcm", "dicom",
)  # fmt: skip

_META = ("txt", "json", "cls")


@dataclass(frozen=True)
class WebDataset:
    """Tar files of samples: members that follow each other and share the name up to its first dot.

    The image, or the text where there are no images, is the item; `.cls` gives the label, `.json` further
    columns and `.txt` the column "caption" (if it is asked for). The id is that common name; with several tar
    files, after the tar's.

    Args:
        path: a tar file or a folder of them.
        files: the tar files, relative to `path`; each is one shard.
        columns: further columns to carry: keys of the first sample's `.json`, "label", "caption".
        wanted: take images or texts; None takes images if the first tar file with samples has any.

    Raises:
        InvalidData: no samples, a tar file is damaged, or a column was asked for that the first sample does
            not have.
    """

    path: str
    files: tuple[str, ...] = field(repr=False)
    columns: tuple[str, ...] = ()
    wanted: Kind | None = None

    def __post_init__(self) -> None:
        for file in self.files:
            for key, parts in self._samples(file):
                record = self._record(file, key, parts)
                carried(record.keys(), self.columns, f"{self.path} (by its first sample)")
                return
        raise InvalidData(f"{self.path} has no sample with one of .{', .'.join(self._extensions)}")

    @cached_property
    def kind(self) -> Kind:
        if self.wanted:
            return self.wanted
        for file in self.files:
            found = {split(name)[1] for name in self._until_image(file)}
            if found.intersection(IMAGE_EXTENSIONS):
                return "image"
            if "txt" in found:
                return "text"
        raise InvalidData(
            f"{self.path}: no sample in {len(self.files)} tar files; looked for members "
            f".{', .'.join(IMAGE_EXTENSIONS)}, .txt"
        )

    def shards(self) -> list[Shard]:
        return [Shard(number, file, 0, 1) for number, file in enumerate(self.files)]

    def read(self, shard: Shard) -> Iterator[Batch]:
        names = tuple(dict.fromkeys((*KEPT_COLUMNS, *self.columns)))
        most = IMAGE_BATCH if self.kind == "image" else ROW_BATCH
        passed = Counter[str]()
        samples = (
            self._sample(shard.file, key, parts, names) for key, parts in self._samples(shard.file, passed)
        )
        for batch in in_batches(samples, names, most, str(locate_any(self.path, shard.file))):
            yield replace(batch, passed_over=dict(passed))
            passed.clear()

    @property
    def _extensions(self) -> tuple[str, ...]:
        return IMAGE_EXTENSIONS if self.kind == "image" else ("txt",)

    def _until_image(self, file: str) -> Iterator[str]:
        for name, _ in members(locate_any(self.path, file)):
            yield name
            if split(name)[1] in IMAGE_EXTENSIONS:
                return

    def _samples(
        self, file: str, passed: Counter[str] | None = None
    ) -> Iterator[tuple[str, dict[str, bytes]]]:
        """(key, extension → bytes) of samples that have an item; what is not of a sample is counted in `passed`."""
        passed = Counter() if passed is None else passed
        extensions = self._extensions
        current, parts = "", dict[str, bytes]()

        def whole() -> bool:
            if parts and parts.keys().isdisjoint(extensions):
                passed[f"samples without {'a picture' if self.kind == 'image' else 'a text'}"] += 1
            return not parts.keys().isdisjoint(extensions)

        for name, read in members(locate_any(self.path, file), passed=passed):
            key, extension = split(name)
            if key != current:
                if whole():
                    yield current, parts
                current, parts = key, {}
            if extension in parts:
                raise InvalidData(
                    f"{locate_any(self.path, file)}: the sample {key!r} has two members .{extension}"
                )
            if extension in extensions or extension in _META:
                if extension in extensions and not parts.keys().isdisjoint(extensions):
                    passed["second pictures of their sample"] += 1
                parts[extension] = read()
            else:
                passed[f"members .{extension}" if extension else "members without an extension"] += 1
        if whole():
            yield current, parts

    def _sample(self, file: str, key: str, parts: dict[str, bytes], names: tuple[str, ...]) -> Sample:
        record = self._record(file, key, parts)
        item: bytes | str
        if self.kind == "image":
            item = next(data for extension, data in parts.items() if extension in IMAGE_EXTENSIONS)
        else:
            item = record["caption"]
        prefix = f"{PurePosixPath(file).with_suffix('')}/" if len(self.files) > 1 else ""
        said = record.get(OURS + ID)  # an export's own word for what the sample is called
        return (
            (said if isinstance(said, str) else prefix + key),
            item,
            values(record, names),
        )

    def _record(self, file: str, key: str, parts: dict[str, bytes]) -> dict[str, Any]:
        """What the sample's `.json`, `.cls` and `.txt` say."""
        where = f"{locate_any(self.path, file)}: the sample {key!r}"
        record = (json_object(_text(where, parts["json"]), where) if "json" in parts else None) or {}
        if "cls" in parts:
            record["label"] = _text(where, parts["cls"]).strip()
        if "txt" in parts:
            record["caption"] = _text(where, parts["txt"])
        return record


def split(name: str) -> tuple[str, str]:
    """ "train/0001.seg.PNG" → ("train/0001", "seg.png").

    What follows the first dot is the member's part of its sample, but a component that begins with a digit is still of the name:
    "photo.2020.0001.jpg" → ("photo.2020.0001", "jpg").
    """
    folder, slash, base = name.rpartition("/")
    parts = base.split(".")
    end = 1
    while end < len(parts) - 1 and parts[end][:1].isdigit():
        end += 1
    return folder + slash + ".".join(parts[:end]), ".".join(parts[end:]).lower()


def _text(where: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{where} is not UTF-8 at byte {error.start} of its text; write it as UTF-8"
        ) from error
