"""Batches of bounded size out of single samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from proxyset.sources.columns import checked_ids
from proxyset.sources.source import Batch, Kind

# Items in a shard: one task for one process, some seconds to minutes of encoding.
SHARD_ITEMS: dict[Kind, int] = {"image": 2048, "text": 16_384, "table": 65_536, "embedding": 131_072}

BATCH_BYTES = 1 << 26  # about 64 MB of items at a time, however large each of them is
IMAGE_BATCH = 1024
ROW_BATCH = 16_384

Sample = tuple[str | None, bytes | str, Sequence[str | None]]


def in_batches(samples: Iterable[Sample], names: Sequence[str], most: int, where: str) -> Iterator[Batch]:
    """Gather samples (id, item, values of the columns `names`) into batches of at most `most` items.

    A batch is given once there is a further sample, or is none. Raises InvalidData for ids that cannot be ids.
    """
    for some in gathered(samples, most, lambda sample: len(sample[1])):
        yield _batch(some, names, where)


def gathered(samples: Iterable[Any], most: int, size_of: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Samples in lists of at most `most`; a list is also full when they pass BATCH_BYTES."""
    found: list[Any] = []
    size = 0
    for sample in samples:
        if len(found) == most or size >= BATCH_BYTES:
            yield found
            found, size = [], 0
        found.append(sample)
        size += size_of(sample)
    if found:
        yield found


def _batch(samples: list[Sample], names: Sequence[str], where: str) -> Batch:
    ids, items, values = zip(*samples, strict=True)
    columns = {name: [row[place] for row in values] for place, name in enumerate(names)}
    return Batch(checked_ids(ids, where), list(items), columns)


def rows_for(row_bytes: float, most: int) -> int:
    """How many rows of this size make a batch."""
    return max(1, min(most, int(BATCH_BYTES / max(row_bytes, 1))))
