"""Which of a person's records count where at most m do: labels, and shares of two-party sums.

The choice depends on that person alone: the records whose features have the smallest SHA-256. Their ids would not do, because an id
may be a row number, which moves when another person's record is removed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def bounded_rows(
    persons: Sequence[str], marks: Sequence[bytes], labels: NDArray[np.int64], most: int
) -> NDArray[np.intp]:
    """Row numbers of at most `most` records a person: those with the smallest marks, of equal marks those with the smallest labels.

    Args:
        persons: whose each record is.
        marks: `marks` of each record.
        labels: (n,) what each record votes for.
        most: how many of a person's.

    Sensitivity:
        Which records of a person are kept depends on that person's records alone; one person keeps ≤ `most`.
    Unit:
        One person with all of their records.
    Guarantee:
        None by itself.
    Assumes:
        Every person goes by one name.
    """
    kept: dict[str, list[tuple[bytes, int, int]]] = defaultdict(list)
    for row, (person, mark) in enumerate(zip(persons, marks, strict=True)):
        kept[person].append((mark, int(labels[row]), row))
    rows = [row for records in kept.values() for _, _, row in sorted(records)[:most]]
    return np.array(rows, np.intp)


def marks(X: NDArray[np.float32]) -> list[bytes]:
    """SHA-256 of each record's features, (n, d). Records of equal features vote alike, so that their order does not matter.

    Sensitivity:
        Each depends on its own record alone.
    Unit:
        One record.
    Guarantee:
        None: they order a person's records and go nowhere.
    Assumes:
        Nothing.
    """
    return [hashlib.sha256(row.tobytes()).digest() for row in X]
