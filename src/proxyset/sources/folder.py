"""A folder of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from proxyset.sources.batches import IMAGE_BATCH, SHARD_ITEMS, Sample, in_batches
from proxyset.sources.columns import carried, checked_ids
from proxyset.sources.files import locate, read_item
from proxyset.sources.source import Batch, Kind, Shard


@dataclass(frozen=True)
class ImageFolder:
    """Image files below a folder; the id is the path relative to it, the label the first folder on that path.

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
        checked_ids(self.files, self.path)
        carried(self._names, self.columns, self.path)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return ("label",) if any("/" in file for file in self.files) else ()

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(self.files)

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
        for file in self._listed.intersection(ids):
            yield file, read_item(locate(self.path, file))

    def _sample(self, file: str) -> Sample:
        label = file.split("/", 1)[0] if "/" in file else None
        return file, read_item(locate(self.path, file)), (label,) * len(self._names)
