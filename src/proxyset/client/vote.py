"""The vote: how many private records are nearest to each centroid, with a bound on the records of one person.

Two things make the sensitivity hold on a real computer, not only on paper.

A record's vote depends on that record alone. A matrix product rounds a row differently when other rows stand
beside it, so the last bit of a near-tie could flip because somebody else's record is missing. Votes are
therefore taken in float64 with a bound on the rounding error; whenever the winner's lead is within it, the
row is decided again by itself.

Which of a person's records count depends on that person alone: those whose content has the smallest SHA-256.
Their ids would not do, because an id may be a row number, which moves when another person's record is
removed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidData
from proxyset.sources.source import Items
from proxyset.wire.probe import Probe

_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True)
class Records:
    """Some private records, encoded.

    Attributes:
        ids: one string a record, unique in the data set.
        X: (n, d) float32 features, finite.
        persons: whose each record is; empty when the unit is a record.
        contents: SHA-256 of each record's content (`content_digests`); empty when the unit is a record.
        labels: the owner's label of each record; empty where none are asked for.
    """

    ids: list[str]
    X: NDArray[np.float32]
    persons: Sequence[str] = field(default_factory=list)
    contents: Sequence[bytes] = field(default_factory=list)
    labels: Sequence[str] = field(default_factory=list)


def count_votes(
    batches: Iterable[Records], probe: Probe, max_records: int | None = None
) -> NDArray[np.int64]:
    """How many records are nearest to each centroid. Not private yet: it goes to `noise.mechanism` only.

    Args:
        batches: the private data; one pass, one batch in memory at a time.
        probe: whose R centroids are voted for.
        max_records: None for unit "record"; for unit "person" the most records of one person that count. Of a
            person with more, those with the smallest content digest do.

    Returns:
        (R,) int64, each ≥ 0.

    Sensitivity:
        Adding or removing one record moves one count by 1. Adding or removing one person moves the counts by
        at most max_records in all, so ℓ2 ≤ max_records; replacing one, √2 times that.
    Unit:
        One record, or one person with all of their records.
    Guarantee:
        None by itself; noise makes it private.
    Assumes:
        Features of a record depend on that record alone; `persons` names every person by one name only.

    Raises:
        InvalidData: an id occurs twice, or a record has no person.
    """
    voter = Voter(probe)
    counts = np.zeros(probe.clusters, np.int64)
    kept: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    seen: set[str] = set()
    for batch in batches:
        refuse_duplicates(batch.ids, seen)
        labels = voter(batch.X)
        if max_records is None:
            counts += np.bincount(labels, minlength=len(counts))
            continue
        for row, (person, content) in enumerate(zip(batch.persons, batch.contents, strict=True)):
            if not person:
                raise InvalidData(
                    f"record {batch.ids[row]!r} has no person: the bound needs one for every record"
                )
            kept[person].append((content, int(labels[row])))
        for person in set(batch.persons):
            kept[person] = sorted(kept[person])[:max_records]
    for records in kept.values():
        for _, label in records:
            counts[label] += 1
    return counts


class Voter:
    """The nearest centroid of each record, as a function of that record alone.

    Args:
        probe: centroids and projection.

    Sensitivity:
        One label a record; equal records get equal labels, whatever stands beside them.
    Unit:
        One record.
    Guarantee:
        None by itself.
    Assumes:
        Rounding of a float64 product of length k is within k · 2⁻⁵² of the product of the norms, whatever the
        order of summation (Higham 2002, section 3.1, doubled).
    """

    def __init__(self, probe: Probe) -> None:
        C = probe.centroids.astype(np.float64)
        self._offset = C.mean(axis=0)
        self._C = C - self._offset
        self._half_norms = 0.5 * np.einsum("ij,ij->i", self._C, self._C)
        self._largest = float(np.sqrt(2 * self._half_norms.max()))
        d, D = probe.encoder.dim, C.shape[1]
        self._unit = 8 * (d + D + 8) * 2.0**-52
        self._projection: NDArray[np.float64] | None = None
        self._stretch = 1.0
        if probe.projection is not None:
            self._projection = probe.projection.astype(np.float64)
            self._stretch = float(np.linalg.norm(self._projection))
        self._fixed = float(np.linalg.norm(self._offset)) + self._largest

    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Labels of `X`: (n, d) float32, finite → (n,) int64 in [0, R); of equally near ones the lowest."""
        labels = np.empty(len(X), np.int64)
        step = max(1, _BLOCK_BYTES // (8 * len(self._C)))
        for start in range(0, len(X), step):
            block = X[start : start + step].astype(np.float64)
            labels[start : start + step] = self._block(block)
        return labels

    def _block(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        Z = self._move(X)
        scores = Z @ self._C.T - self._half_norms
        labels: NDArray[np.int64] = scores.argmax(axis=1)
        best = np.take_along_axis(scores, labels[:, None], axis=1)
        size = np.linalg.norm(X, axis=1) * self._stretch + np.linalg.norm(Z, axis=1) + self._fixed
        error = self._unit * size * self._largest
        near_tie = (scores >= best - 2 * error[:, None]).sum(axis=1) > 1
        for row in np.flatnonzero(near_tie):
            labels[row] = self._alone(X[row].copy())
        return labels

    def _move(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._projection is not None:
            X = X @ self._projection
        moved: NDArray[np.float64] = X - self._offset
        return moved

    def _alone(self, x: NDArray[np.float64]) -> int:
        """The same on one row, in one order: sums over equal shapes, never a product of matrices."""
        if self._projection is not None:
            x = (x[:, None] * self._projection).sum(axis=0)
        return int(((x - self._offset - self._C) ** 2).sum(axis=1).argmin())


def content_digests(items: Items) -> list[bytes]:
    """SHA-256 of the content of each item of a batch: file bytes, text, embedding row or table row.

    Sensitivity:
        Each digest depends on its own item alone.
    Unit:
        One record.
    Guarantee:
        None: digests order a person's records and never leave `count_votes`.
    Assumes:
        Two records of one person with equal content get equal features, so that their order does not matter.
    """
    rows = items.to_pylist() if hasattr(items, "to_pylist") else items
    return [hashlib.sha256(_content(row)).digest() for row in rows]


def _content(row: Any) -> bytes:
    if isinstance(row, bytes):
        return row
    if isinstance(row, np.ndarray):
        return row.astype("<f8").tobytes()
    return repr(row).encode()


def refuse_duplicates(ids: Sequence[str], seen: set[str]) -> None:
    """Add `ids` to `seen`; raise InvalidData if one is there already."""
    for name in ids:
        if name in seen:
            raise InvalidData(
                f"the id {name!r} occurs twice: ids must be unique, or one record would count twice"
            )
        seen.add(name)
