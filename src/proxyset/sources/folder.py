"""A folder of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from proxyset.sources.batches import IMAGE_BATCH, SHARD_ITEMS, Sample, in_batches
from proxyset.sources.columns import ID, as_text, carried, checked_ids, json_object
from proxyset.sources.files import LISTING, locate_any, read_item
from proxyset.sources.lines import open_lines
from proxyset.sources.source import KEPT_COLUMNS, Batch, Kind, Shard


@dataclass(frozen=True)
class ImageFolder:
    """Image files below a folder; the id is the path relative to it, the label the first folder on that path.

    A folder that `proxyset export` wrote has a LISTING, which says of each file which item it is, with its label, source, uri and
    licence.

    Args:
        path: the folder.
        files: the images, sorted posix paths relative to `path`.
        columns: further columns to carry; only "label" can be had.
        shard_size: images in a shard.

    Raises:
        InvalidData: a name is not UTF-8, or a column was asked for that a folder does not have.
    """

    path: str
    files: tuple[str, ...] = field(repr=False)
    columns: tuple[str, ...] = ()
    shard_size: int = SHARD_ITEMS["image"]
    kind: Kind = field(default="image", init=False)

    def __post_init__(self) -> None:
        checked_ids([self._id(file) for file in self.files], self.path)
        carried(self._names, self.columns, self.path)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        if self._listing:
            return KEPT_COLUMNS
        return ("label",) if any("/" in file for file in self.files) else ()

    @cached_property
    def _listing(self) -> dict[str, dict[str, Any]]:
        """File → what the listing says of it."""
        path = locate_any(self.path, LISTING)
        if not path.is_file():
            return {}
        with open_lines(path) as lines:
            records = [json_object(line, lines.at()) or {} for line in lines]
        return {str(record.get("file")): record for record in records}

    def _id(self, file: str) -> str:
        return str(self._listing.get(file, {}).get(ID) or file)

    @cached_property
    def _by_id(self) -> dict[str, str]:
        return {self._id(file): file for file in self.files}

    def shards(self) -> list[Shard]:
        starts = range(0, len(self.files), self.shard_size)
        return [
            Shard(number, "", start, min(start + self.shard_size, len(self.files)))
            for number, start in enumerate(starts)
        ]

    def read(self, shard: Shard) -> Iterator[Batch]:
        samples = (self._sample(file) for file in self.files[shard.start : shard.stop])
        return in_batches(samples, self._names, IMAGE_BATCH, self.path)

    def pick(self, shard: Shard, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        # Only names of the listing are opened: an id such as "../secret.png" from a tampered file finds
        # nothing. Of all the listing: a picture that was added since moves others to the next shard.
        for name in self._by_id.keys() & set(ids):
            yield name, read_item(locate_any(self.path, self._by_id[name]))

    def _sample(self, file: str) -> Sample:
        said = {"label": file.split("/", 1)[0] if "/" in file else None}
        said = self._listing.get(file, said)
        return (
            self._id(file),
            read_item(locate_any(self.path, file)),
            [as_text(said.get(name)) for name in self._names],
        )
