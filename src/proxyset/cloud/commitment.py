"""The commitment to a whole index, made before any client answers: a hash tree over every id and embedding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxyset.cloud.shards import as_matrix, read_columns
from proxyset.cloud.store import Place
from proxyset.wire.merkle import HashTree, item_leaf


def commit(shards: Sequence[tuple[Place, str]]) -> HashTree:
    """The tree over the items of all shards, in order. Takes 64 bytes of memory an item.

    Raises:
        ArtifactError: a shard is missing or damaged.
    """
    return HashTree.grow(_leaves(shards))


def _leaves(shards: Sequence[tuple[Place, str]]) -> Iterator[bytes]:
    for path, sha256 in shards:
        for batch in read_columns(path, ["id", "embedding"], sha256):
            embeddings = as_matrix(batch.column("embedding"))
            for name, embedding in zip(batch.column("id").to_pylist(), embeddings, strict=True):
                yield item_leaf(name, embedding)
