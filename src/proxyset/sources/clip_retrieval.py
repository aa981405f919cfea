"""Folders as clip-retrieval writes them: img_emb/*.npy and, row by row, metadata/*.parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from proxyset.errors import InvalidData
from proxyset.sources.batches import ROW_BATCH, SHARD_ITEMS, rows_for
from proxyset.sources.columns import ID, carried, look_up
from proxyset.sources.embeddings import Embeddings, open_array
from proxyset.sources.fetch import pick_by_reading
from proxyset.sources.files import list_files, locate_any, place, reading
from proxyset.sources.parquet_rows import beside, open_parquet, rows_between, schema_of
from proxyset.sources.source import Batch, Kind, Shard

_FOLDERS = ("img_emb", "text_emb")


def embedding_files(files: Sequence[str]) -> list[str]:
    """Those of `files` that hold the embeddings; none if this is not a folder of clip-retrieval."""
    if not _metadata(files):
        return []
    for folder in _FOLDERS:
        if found := [file for file in files if file.startswith(f"{folder}/") and file.endswith(".npy")]:
            return sorted(found, key=_counted)
    return []


def metadata_of(array: Path) -> Path | None:
    """The metadata of a file of embeddings of such a folder; None if there are none."""
    folder = array.parent.parent
    names = [f"metadata/{path.name}" for path in sorted((folder / "metadata").glob("*.parquet"))]
    found = _metadata(names).get(_number(array.name))
    return folder / found if found else None


def _counted(file: str) -> tuple[int, str, str]:
    """As clip-retrieval counts its files: 2 comes before 10, with or without zeros before it."""
    number = _number(file)
    return (int(number) if number.isascii() and number.isdigit() else 0), number, file


def _metadata(files: Sequence[str]) -> dict[str, str]:
    """Number → metadata file."""
    return {
        _number(file): file for file in files if file.startswith("metadata/") and file.endswith(".parquet")
    }


def _number(file: str) -> str:
    """ "img_emb/img_emb_012.npy" → "012"."""
    return PurePosixPath(file).stem.rpartition("_")[2]


@dataclass(frozen=True)
class ClipRetrieval:
    """Embeddings with metadata row by row; the id is the metadata's `id`, else the row number.

    Args:
        path: the folder.
        arrays: the .npy files, relative to `path`.
        columns: further columns of the metadata to carry.
        shard_size: rows in a shard.

    Raises:
        InvalidData: as `Embeddings` and `Parquet`, or a file has no partner, or the partners differ in
            length.
    """

    path: str
    arrays: tuple[str, ...] = field(repr=False)
    columns: tuple[str, ...] = ()
    shard_size: int = SHARD_ITEMS["embedding"]
    kind: Kind = field(default="embedding", init=False)

    def __post_init__(self) -> None:
        for array, metadata in self._partners.items():
            rows = len(open_array(locate_any(self.path, array)))
            with open_parquet(locate_any(self.path, metadata)) as file:
                if file.metadata.num_rows != rows:
                    raise InvalidData(
                        f"{locate_any(self.path, metadata)} has {file.metadata.num_rows} rows, {array} has "
                        f"{rows}; they must be of the same items"
                    )
                names = file.schema_arrow.names
                missing = [name for name in self._used if name not in names]
                if missing:
                    raise InvalidData(
                        f"{locate_any(self.path, metadata)} has no column {', '.join(sorted(missing))}"
                    )
        self.shards()

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(sorted((*self._partners, *self._partners.values())))

    @cached_property
    def _partners(self) -> dict[str, str]:
        """Embedding file → metadata file."""
        metadata = _metadata(list_files(place(self.path)))
        for file in self.arrays:
            if _number(file) not in metadata:
                raise InvalidData(f"{locate_any(self.path, file)} has no metadata file with the same number")
        return {file: metadata[_number(file)] for file in self.arrays}

    @cached_property
    def _embeddings(self) -> Embeddings:
        return Embeddings(self.path, self.arrays, (), self.shard_size)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(schema_of(locate_any(self.path, next(iter(self._partners.values())))).names)

    @cached_property
    def _carried(self) -> dict[str, str]:
        return carried(self._names, self.columns, self.path)

    @cached_property
    def _used(self) -> list[str]:
        return list(dict.fromkeys((*self._carried.values(), *([self._id] if self._id else []))))

    @cached_property
    def _id(self) -> str | None:
        return look_up(ID, self._names)

    def shards(self) -> list[Shard]:
        return self._embeddings.shards()

    def read(self, shard: Shard) -> Iterator[Batch]:
        if not self._used:
            yield from self._embeddings.read(shard)
            return
        array = open_array(locate_any(self.path, shard.file))
        path = locate_any(self.path, self._partners[shard.file])
        step = rows_for(array.shape[1] * array.itemsize, ROW_BATCH)
        start = shard.start
        for rows in rows_between(path, self._used, shard.start, shard.stop, step):
            stop = start + rows.num_rows
            first = shard.first_row + start - shard.start
            with reading(path):
                items = np.array(array[start:stop])
            yield beside(rows, items, self._carried, self._id, first, path)
            start = stop
        if start != shard.stop:
            raise InvalidData(
                f"{path} has changed since it was planned: {start} rows, not {shard.stop} or more"
            )

    def pick(self, shard: Shard, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        return pick_by_reading(self, shard, ids) if self._id else self._embeddings.pick(shard, ids)
