"""Medoids of a probe: real items in the place of centroids, each proven to be in the index that was committed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from proxyset.errors import ArtifactError
from proxyset.wire import contents
from proxyset.wire.arrays import exact
from proxyset.wire.container import Sha256, Strict, Tensors
from proxyset.wire.merkle import HASH_BYTES, HashTree, depth, item_leaf, proves

TENSORS = {"medoids", "medoids.positions", "medoids.proofs"}
CONTENTS = contents.names_of("medoids.")


class Commitment(Strict):
    """The part of a probe's header that speaks of medoids.

    Attributes:
        root: of the hash tree over all items of the index.
        items: how many items that tree has.
        ids: the medoids' ids, in the order of the centroids.
        contents: whether the items themselves travel, for the owner to look at.
    """

    root: Sha256
    items: int = Field(ge=1, le=1 << 48)
    ids: list[str] = Field(max_length=10_000_000)
    contents: bool


@dataclass(frozen=True)
class Medoids:
    """Items of the index that stand for its clusters.

    Attributes:
        commitment: root of the hash tree over the whole index: equal roots, equal indexes.
        items: number of items in that index.
        ids: (R,) their ids.
        embeddings: (R, d) float32, their features as the cloud computed them.
        contents: the items as the pool has them (file bytes, or UTF-8 text), or None.
    """

    commitment: str
    items: int
    ids: tuple[str, ...]
    embeddings: NDArray[np.float32]
    contents: tuple[bytes, ...] | None


def encode(
    tree: HashTree,
    positions: NDArray[np.int64],
    ids: Sequence[str],
    embeddings: NDArray[np.float32],
    items: Sequence[bytes] | None,
) -> tuple[Commitment, Tensors]:
    """Header and tensors for medoids at `positions` (R,) of the tree, with (R, d) float32 embeddings."""
    commitment = Commitment(root=tree.root, items=tree.size, ids=list(ids), contents=items is not None)
    tensors: Tensors = {
        "medoids": embeddings,
        "medoids.positions": positions,
        "medoids.proofs": np.stack([tree.proof(int(position)) for position in positions]),
    }
    if items is not None:
        tensors |= contents.join("medoids.", items)
    return commitment, tensors


def decode(commitment: Commitment, tensors: Tensors, clusters: int, d: int) -> Medoids:
    """Validate medoids and check every proof.

    Raises:
        ArtifactError: shapes do not fit, or an item is not in the tree that was committed to.
    """
    embeddings = exact("medoids", tensors, np.float32, (clusters, d))
    positions = exact("medoids.positions", tensors, np.int64, (clusters,))
    proofs = exact("medoids.proofs", tensors, np.uint8, (clusters, depth(commitment.items), HASH_BYTES))
    if len(commitment.ids) != clusters:
        raise ArtifactError("the probe's medoids need one id each")
    for j, name in enumerate(commitment.ids):
        leaf, position = item_leaf(name, embeddings[j]), int(positions[j])
        if not proves(commitment.root, commitment.items, position, leaf, proofs[j]):
            raise ArtifactError(
                f"medoid {j} ({name!r}) is not in the index that the server committed to: do not answer this probe"
            )
    items = contents.split("medoids.", tensors, clusters, "probe") if commitment.contents else None
    return Medoids(commitment.root, commitment.items, tuple(commitment.ids), embeddings, items)
