"""A pool part by part: what selection maps over, in this process, in several, or on a cluster.

A part is a run of consecutive rows, such as a shard of an index. What is asked of it goes block by block, the same blocks wherever
it lies, so that the answers are the same bytes in memory, from files, and on any engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.rows import rows_of

BLOCK = 1 << 14  # rows


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a part.

    Attributes:
        start: row number of the first in the pool.
        Z: (m, D) float32 components.
        clusters: (m,) int32.
        codes: column of the pool → (m,) uint8 group codes (`cloud.metadata`).
    """

    start: int
    Z: NDArray[np.float32]
    clusters: NDArray[np.int32]
    codes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.Z)


class Part(Protocol):
    """Consecutive rows of a pool; picklable where another process is to read it."""

    @property
    def start(self) -> int:
        """Row number of the first."""
        ...

    def __len__(self) -> int: ...

    def clusters(self) -> NDArray[np.int32]:
        """(m,) of all its rows."""
        ...

    def blocks(self) -> Iterator[Block]:
        """Its rows in order, `BLOCK` of them at a time; the last block holds what is left."""
        ...


@dataclass(frozen=True)
class Slice:
    """A part of arrays."""

    Z: NDArray[np.float32]
    labels: NDArray[np.int32]
    codes: Mapping[str, NDArray[np.uint8]]
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def clusters(self) -> NDArray[np.int32]:
        return self.labels[self.start : self.stop]

    def blocks(self) -> Iterator[Block]:
        for start in range(self.start, self.stop, BLOCK):
            rows = slice(start, min(start + BLOCK, self.stop))
            codes = {name: codes[rows] for name, codes in self.codes.items()}
            yield Block(start, rows_of(self.Z, rows), self.labels[rows], codes)


@dataclass(frozen=True)
class Chosen:
    """Some rows of a part, numbered anew.

    Attributes:
        part: whose rows they are.
        rows: (m,) their numbers in the pool of that part, in order.
        start: new number of the first.
    """

    part: Part
    rows: NDArray[np.intp]
    start: int

    def __len__(self) -> int:
        return len(self.rows)

    def clusters(self) -> NDArray[np.int32]:
        return self.part.clusters()[self.rows - self.part.start]

    def blocks(self) -> Iterator[Block]:
        start = self.start
        for block in self.part.blocks():
            low, high = np.searchsorted(self.rows, [block.start, block.start + len(block)])
            some = self.rows[low:high] - block.start
            codes = {name: codes[some] for name, codes in block.codes.items()}
            yield Block(start, block.Z[some], block.clusters[some], codes)
            start += len(some)


@dataclass(frozen=True)
class Rows:
    """Some rows of a pool.

    Attributes:
        rows: (m,) row numbers.
        Z, clusters, codes: of these rows, as `Block` has them.
    """

    rows: NDArray[np.intp]
    Z: NDArray[np.float32]
    clusters: NDArray[np.int32]
    codes: Mapping[str, NDArray[np.uint8]]


def spread(
    part: Part, before: NDArray[np.int64], sizes: NDArray[np.int64], each: NDArray[np.int64]
) -> NDArray[np.intp]:
    """The rows of a part that are among at most each[j] of cluster j, evenly over the pool's order.

    Args:
        before: (R,) rows of each cluster in earlier parts.
        sizes: (R,) rows of each cluster in the pool.
        each: (R,) ≥ 0.

    Returns:
        Row numbers in the pool, in order. Of n > each[j] rows of a cluster the k-th taken is number ⌊k·n / each[j]⌋.
    """
    labels = part.clusters()
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    place = before[ordered] + np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    n = sizes[ordered]
    kept = np.minimum(n, each[ordered])
    number = -(-place * kept // n)
    return part.start + np.sort(order[number * n // np.maximum(kept, 1) == np.where(kept, place, -1)])
