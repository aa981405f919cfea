"""The commitment to a whole index, made before any client answers: a hash tree over every id and embedding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from proxyset.cloud.shards import as_matrix, read_columns
from proxyset.wire.merkle import HashTree, item_leaf


def commit(shards: Sequence[Path]) -> HashTree:
    """The tree over the items of all shards, in order. Takes 64 bytes of memory an item.

    Raises:
        ArtifactError: a shard is missing or damaged.
    """
    return HashTree.grow(_leaves(shards))


def _leaves(shards: Sequence[Path]) -> Iterator[bytes]:
    for path in shards:
        for batch in read_columns(path, ["id", "embedding"]):
            embeddings = as_matrix(batch.column("embedding"))
            for name, embedding in zip(batch.column("id").to_pylist(), embeddings, strict=True):
                yield item_leaf(name, embedding)
