"""The pool of an index as selection sees it: shard by shard out of the index's files, and as arrays where they are looked at.

Whatever maps over parts reads the shards, on the engine, and holds what it keeps. The arrays are made when a strategy looks at
them; components of a large pool then are a memory map of a scratch file (in TMPDIR) that goes away with them.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from proxyset.atomic import room_for
from proxyset.cloud.executor import Executor
from proxyset.cloud.metadata import GROUPINGS, ValueCounts, coded, known_values, value_counts
from proxyset.cloud.pca import Projection
from proxyset.cloud.select.parts import Block, Part, Rows
from proxyset.cloud.select.strategy import Candidates
from proxyset.cloud.shards import ShardRecord, as_matrix, read_columns, read_model
from proxyset.cloud.store import Place

Result = TypeVar("Result")
MEMORY_BYTES = 512 << 20  # components of more bytes than this are not held in memory


@dataclass(frozen=True)
class ShardPart:
    """A shard of an index; picklable, so that any process that sees the index can read it.

    Attributes:
        index: folder of the index.
        shard, assignment: names and SHA-256 of its two files.
        start: row number of its first item.
        model, scale: SHA-256 of the index's model, and of its projection.
        known: column → value → code of its group; columns that are not here are not read.
    """

    index: Place
    shard: ShardRecord
    assignment: ShardRecord
    start: int
    model: str
    scale: float
    known: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.shard.rows

    def clusters(self) -> NDArray[np.int32]:
        batches = self._columns("assignments", self.assignment, ["cluster"])
        return np.concatenate(
            [np.empty(0, np.int32), *(batch.column("cluster").to_numpy() for batch in batches)]
        )

    def blocks(self) -> Iterator[Block]:
        projection, labels, start = _projection(self.index, self.model, self.scale), self.clusters(), 0
        for batch in self._columns("shards", self.shard, ["embedding", *self.known]):
            codes = {name: coded(batch.column(name), known) for name, known in self.known.items()}
            Z = projection(as_matrix(batch.column("embedding")))
            yield Block(self.start + start, Z, labels[start : start + len(Z)], codes)
            start += len(Z)

    def value_counts(self) -> ValueCounts:
        """How often each value of the columns that may group the pool occurs."""
        return value_counts(self._columns("shards", self.shard, GROUPINGS))

    def _columns(self, folder: str, record: ShardRecord, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return read_columns(self.index / folder / record.name, names, record.sha256)


@functools.lru_cache(maxsize=1)
def _projection(index: Place, model: str, scale: float) -> Projection:
    tensors = read_model(index, model)
    return Projection(tensors["mean"], tensors["matrix"], scale)


class _Arrays(NamedTuple):
    Z: NDArray[np.float32]
    clusters: NDArray[np.int32]
    groupings: Mapping[str, NDArray[np.uint8]]


class ShardCandidates(Candidates):
    """The pool of an index, read part by part on an engine.

    Args:
        shards: in order, together the whole pool.
        centroids: (R, D) float32.
        fingerprint: of the index.
        metadata: with the groups that the pool's own sources and labels make, if it names any.
        executor: where parts are read.
    """

    _shards: Sequence[ShardPart]
    _metadata: bool

    def __init__(
        self,
        shards: Sequence[ShardPart],
        centroids: NDArray[np.float32],
        fingerprint: str,
        metadata: bool,
        executor: Executor,
    ) -> None:
        self.__dict__ |= {"centroids": centroids, "fingerprint": fingerprint, "executor": executor}
        self.__dict__ |= {"in_arrays": False, "_shards": shards, "_metadata": metadata}

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def in_memory(self) -> Candidates:
        """The same as arrays."""
        splits = tuple(part.start for part in self._shards[1:])
        return Candidates(self.Z, self.clusters, self.centroids, self.groupings, self.fingerprint, splits)

    @cached_property
    def parts(self) -> Sequence[Part]:
        return [replace(part, known=self._known) for part in self._shards]

    @cached_property
    def _known(self) -> dict[str, dict[str, int]]:
        if not self._metadata:
            return {}
        found = dict(self.executor.run(_values, list(enumerate(self._shards))))
        return known_values(found[number] for number in sorted(found))

    @cached_property
    def groups(self) -> dict[str, int]:
        return {name: len(known) + 1 for name, known in self._known.items()}

    def take(self, rows: NDArray[np.intp]) -> Rows:
        found, back = self._of_parts(rows, _take)
        return Rows(
            rows,
            np.concatenate([some.Z for some in found])[back],
            np.concatenate([some.clusters for some in found])[back],
            {name: np.concatenate([some.codes[name] for some in found])[back] for name in self._known},
        )

    def clusters_of(self, rows: NDArray[np.intp]) -> NDArray[np.int32]:
        found, back = self._of_parts(rows, _clusters_of)
        clusters: NDArray[np.int32] = np.concatenate(found)[back]
        return clusters

    def _of_parts(
        self, rows: NDArray[np.intp], function: Callable[[Part, Any], Result]
    ) -> tuple[list[Result], NDArray[np.intp]]:
        """What the function gives for the sorted rows of each part, in order, and what brings those into the order given."""
        order = np.argsort(rows, kind="stable")
        ordered = np.asarray(rows)[order]
        bounds = np.searchsorted(ordered, [*(part.start for part in self._shards), len(self)])
        given = {
            number: ordered[low:high] for number, (low, high) in enumerate(pairwise(bounds)) if low < high
        }
        found = dict(self.each(function, given))
        return [found[number] for number in sorted(found)], np.argsort(order)

    @cached_property
    def Z(self) -> NDArray[np.float32]:  # noqa: N802
        return self._arrays.Z

    @cached_property
    def clusters(self) -> NDArray[np.int32]:
        return self._arrays.clusters

    @cached_property
    def groupings(self) -> Mapping[str, NDArray[np.uint8]]:
        return self._arrays.groupings

    @cached_property
    def _arrays(self) -> _Arrays:
        n, D = len(self), self.centroids.shape[1]
        clusters = np.empty(n, np.int32)
        groups = {name: np.empty(n, np.uint8) for name in self._known}
        large = 4 * n * D > MEMORY_BYTES
        with (
            room_for(f"{tempfile.gettempdir()} (TMPDIR)"),
            tempfile.TemporaryFile() if large else nullcontext() as file,
        ):
            Z = np.empty((n, D), np.float32) if file is None else _mapped(file, (n, D))
            for block in (block for part in self.parts for block in part.blocks()):
                rows = slice(block.start, block.start + len(block))
                clusters[rows] = block.clusters
                for name, codes in block.codes.items():
                    groups[name][rows] = codes
                if file is None:
                    Z[rows] = block.Z
                else:  # a page written through the map would stay in memory
                    file.write(block.Z.data)
            if file is not None:
                file.flush()
            return _Arrays(Z, clusters, groups)


def _values(task: tuple[int, ShardPart]) -> tuple[int, ValueCounts]:
    number, part = task
    return number, part.value_counts()


def _clusters_of(part: Part, rows: NDArray[np.intp]) -> NDArray[np.int32]:
    return part.clusters()[rows - part.start]


def _take(part: Part, rows: NDArray[np.intp]) -> Rows:
    """Rows of a part, by their numbers in the pool, in order."""
    found = []
    for block in part.blocks():
        low, high = np.searchsorted(rows, [block.start, block.start + len(block)])
        some = rows[low:high] - block.start
        codes = {name: codes[some] for name, codes in block.codes.items()}
        found.append(Rows(rows[low:high], block.Z[some], block.clusters[some], codes))
    return Rows(
        rows,
        np.concatenate([some.Z for some in found]),
        np.concatenate([some.clusters for some in found]),
        {name: np.concatenate([some.codes[name] for some in found]) for name in found[0].codes},
    )


def _mapped(file: IO[bytes], shape: tuple[int, int]) -> NDArray[np.float32]:
    file.truncate(4 * shape[0] * shape[1])
    mapped = np.memmap(file, np.float32, "r+", shape=shape)  # it keeps the file when that is closed
    file.seek(0)
    return mapped
