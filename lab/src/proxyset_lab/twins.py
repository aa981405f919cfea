"""Items that are the same or nearly so, in groups that do not know of each other: copies, reprints, a picture in two packages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

UNLIKE = 0.999  # part of all items whose nearest item of another label is less alike than near-duplicates are
_BLOCK = 1024

Pairs = NDArray[np.int64]  # (m, 2) rows of a data set, the smaller first


@dataclass(frozen=True)
class Twins:
    """Pairs of near-duplicates.

    Attributes:
        pairs: (m, 2) rows of the data set, each pair once, the smaller row first.
        threshold: cosine of two items' features above which they are one, None where only equal contents are.
    """

    pairs: Pairs
    threshold: float | None

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows with a twin among `rows`, in any order, perhaps more than once."""
        first, second = self.pairs[:, 0], self.pairs[:, 1]
        return np.concatenate([second[np.isin(first, rows)], first[np.isin(second, rows)]])


def find_twins(contents: Sequence[Hashable], X: NDArray[np.float32] | None, labels: Sequence[str]) -> Twins:
    """Pairs that are equal by their contents, or nearer to each other than items of two labels are.

    The threshold comes from the data set alone, before any split and any score: two items of different labels are not the same
    thing, so near-duplicates are those that are more alike than 99.9 % of all items are to their nearest item of another label.

    Args:
        contents: of each item, in a form in which copies are equal.
        X: (n, d) features, d > 0; None where only equal contents count.
        labels: of each item; with one label alone, only equal contents count.
    """
    same: dict[Hashable, list[int]] = defaultdict(list)
    for row, content in enumerate(contents):
        same[content].append(row)
    found = {pair for rows in same.values() for pair in combinations(rows, 2)}
    threshold = None
    if X is not None and len(set(labels)) > 1:
        threshold, near = _near(X, np.unique(np.asarray(labels), return_inverse=True)[1])
        found |= set(map(tuple, near.tolist()))
    return Twins(np.array(sorted(found), np.int64).reshape(-1, 2), threshold)


def _near(X: NDArray[np.float32], label_of: NDArray[np.intp]) -> tuple[float, Pairs]:
    """The threshold, and the pairs above it."""
    order = np.argsort(label_of, kind="stable")
    Z = X[order] / np.maximum(np.linalg.norm(X[order], axis=1, keepdims=True), 1e-12)
    ends = np.cumsum(np.bincount(label_of))
    unlike = np.full(len(Z), -1.0, np.float32)
    for start, end in zip([0, *ends[:-1]], ends, strict=True):  # rows of one label
        for at in range(start, end, _BLOCK):
            S = Z[at : min(at + _BLOCK, end)] @ Z.T
            unlike[at : at + len(S)] = np.maximum(
                S[:, :start].max(axis=1, initial=-1), S[:, end:].max(axis=1, initial=-1)
            )
    threshold = float(np.quantile(unlike, UNLIKE))
    pairs = []
    for at in range(0, len(Z), _BLOCK):
        i, j = np.nonzero(Z[at : at + _BLOCK] @ Z[at:].T > threshold)
        pairs.append(np.stack([order[at + i], order[at + j]], axis=1)[i < j])
    return threshold, np.sort(np.concatenate(pairs), axis=1).astype(np.int64)
