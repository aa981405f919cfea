"""A hash tree over the items of an index: commit once to all of them, later show some and prove that they were there.

Leaves and nodes are hashed with different prefixes, as in RFC 6962, so that one cannot pass for the other. The tree is
filled up with zeros to a power of two, which makes every proof equally long, and the number of items is hashed with its
top.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HASH_BYTES = 32


def item_leaf(name: str, embedding: NDArray[np.float32]) -> bytes:
    """The leaf of one item: its id and its (d,) float32 embedding."""
    encoded = name.encode()
    data = np.ascontiguousarray(embedding, "<f4").tobytes()
    return hashlib.sha256(b"\0" + len(encoded).to_bytes(4, "little") + encoded + data).digest()


def depth(size: int) -> int:
    """Number of hashes in a proof for a tree of `size` ≥ 1 items."""
    return (size - 1).bit_length()


@dataclass(frozen=True)
class HashTree:
    """A whole tree, in memory: 64 bytes an item.

    Attributes:
        size: number of items.
        levels: from the leaves up, each (m, 32) uint8; the last is the top.
    """

    size: int
    levels: tuple[NDArray[np.uint8], ...]

    @classmethod
    def grow(cls, leaves: Iterable[bytes]) -> HashTree:
        """The tree over at least one leaf."""
        joined = b"".join(leaves)
        size = len(joined) // HASH_BYTES
        joined = joined.ljust(HASH_BYTES << depth(size), b"\0")
        levels = [np.frombuffer(joined, np.uint8).reshape(-1, HASH_BYTES)]
        while len(levels[-1]) > 1:
            pairs = levels[-1].tobytes()
            step = 2 * HASH_BYTES
            above = b"".join(_node(pairs[at : at + step]) for at in range(0, len(pairs), step))
            levels.append(np.frombuffer(above, np.uint8).reshape(-1, HASH_BYTES))
        return cls(size, tuple(levels))

    @property
    def root(self) -> str:
        """What is committed to: 64 hexadecimal digits."""
        return _root(self.size, self.levels[-1].tobytes())

    def proof(self, position: int) -> NDArray[np.uint8]:
        """The siblings on the way from a leaf to the top: (depth, 32) uint8."""
        siblings = [level[(position >> height) ^ 1] for height, level in enumerate(self.levels[:-1])]
        return np.array(siblings, np.uint8).reshape(len(siblings), HASH_BYTES)


def proves(root: str, size: int, position: int, leaf: bytes, proof: NDArray[np.uint8]) -> bool:
    """Whether `leaf` stands at `position` of the tree of `size` items that `root` commits to."""
    if not 0 <= position < size or proof.shape != (depth(size), HASH_BYTES):
        return False
    top = leaf
    for height, sibling in enumerate(proof):
        other = sibling.tobytes()
        top = _node(other + top if position >> height & 1 else top + other)
    return _root(size, top) == root


def _node(pair: bytes) -> bytes:
    return hashlib.sha256(b"\1" + pair).digest()


def _root(size: int, top: bytes) -> str:
    return hashlib.sha256(b"\2" + size.to_bytes(8, "little") + top).hexdigest()
