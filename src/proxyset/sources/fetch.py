"""Chosen items of a source, without reading the whole of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from proxyset.errors import InvalidData
from proxyset.sources.source import Kind, RandomAccess, Shard, Source


def fetch(source: Source, wanted: Mapping[int, Sequence[str]]) -> Iterator[tuple[str, Any]]:
    """(id, item) for chosen items, in any order.

    Only the shards named are opened; of an image folder and of .npy files only the items named are read.

    Args:
        source: where they are.
        wanted: number of the shard → ids in it.

    Returns:
        Items as in `Batch.items`: bytes, str, a (d,) array, or a table of one row.

    Raises:
        InvalidData: a shard or an id is not in the source (any more), or an item cannot be read.
    """
    shards = {shard.number: shard for shard in source.shards()}
    if unknown := sorted(set(wanted) - set(shards)):
        raise InvalidData(
            f"{source.path} has {len(shards)} shards; {unknown[:5]} were asked for: has the data changed?"
        )
    for number, ids in sorted(wanted.items()):
        missing = set(ids)
        shard = shards[number]
        found = (
            source.pick(shard, ids)
            if isinstance(source, RandomAccess)
            else pick_by_reading(source, shard, ids)
        )
        for name, item in found:
            missing.discard(name)
            yield name, item
        if missing:
            raise InvalidData(
                f"{source.path}: {len(missing)} of {len(set(ids))} chosen items of shard {number} are not "
                f"there, such as {min(missing)!r}; has the data changed since the index was built?"
            )


def pick_by_reading(source: Source, shard: Shard, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """(id, item) for those of `ids` in the shard, which is read up to the last of them."""
    missing = set(ids)
    for batch in source.read(shard):
        for row, name in enumerate(batch.ids):
            if name in missing:
                missing.discard(name)
                yield name, _alone(source.kind, batch.items, row)
        if not missing:
            return


def _alone(kind: Kind, items: Any, row: int) -> Any:
    """One item; a copy where a view would keep its whole batch in memory."""
    if kind == "table":
        return items.take([row])
    return np.array(items[row]) if kind == "embedding" else items[row]
