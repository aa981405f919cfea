"""How private records would be read for a question, for their owner's eyes alone: how many vote, and what each column holds.

It is told from the features that the votes are counted from, so what it says of a column is what the answer would go by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from proxyset.client.private_data import PrivateData, Tally
from proxyset.encoders.tabular import CLIP, TabularEncoder


@dataclass
class ColumnRead:
    """What was seen in one column of the records that vote.

    Attributes:
        name, kind: as the encoder has them.
        seen: how often each thing was: "between the bounds", "at or beyond a bound", "empty", a category, "other".
    """

    name: str
    kind: str
    seen: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Readout:
    """Attributes: how the records were read, and for a table each of the columns that are asked for."""

    tally: Tally
    columns: list[ColumnRead]


def read_out(private: PrivateData) -> Readout:
    """Read all records as an answer would, and count what was seen. Nothing is kept, debited or sent.

    Args:
        private: opened for the question's encoder.

    Sensitivity:
        Unbounded: these are true numbers.
    Unit:
        None.
    Guarantee:
        None: this is the private data itself, counted. Show it to the owner or to nobody.
    Assumes:
        The caller does not store or send it, and lets no answer depend on it unless a person decides so.

    Raises:
        InvalidData, OSError: the data cannot be read at all.
    """
    encoder = private.encoder
    params = encoder.params.columns if isinstance(encoder, TabularEncoder) else []
    columns = [ColumnRead(column.name, column.kind) for column in params]
    for records in private.records():
        X, start = records.X, 0
        for column, read in zip(params, columns, strict=True):
            values = getattr(column, "values", None)
            _see(X[:, start : start + column.width], values, column.missing, read.seen)
            start += column.width
    return Readout(private.tally, columns)


def _see(
    features: NDArray[np.float32], values: Sequence[str] | None, missing: bool, seen: dict[str, int]
) -> None:
    """Count what the features (n, width) of one column say."""
    empty = features[:, -1] > 0 if missing else np.zeros(len(features), bool)
    found: dict[str, int] = {}
    if values is None:
        bound = (np.abs(features[:, 0]) >= CLIP) & ~empty
        found["between the bounds"] = len(features) - int(bound.sum()) - int(empty.sum())
        found["at or beyond a bound"] = int(bound.sum())
    else:
        of_each = features[:, : len(values) + 1].sum(axis=0).astype(int).tolist()
        found |= dict(zip([*map(repr, values), "other"], of_each, strict=True))
        empty = features[:, : len(values) + 1].sum(axis=1) == 0
    found["empty"] = int(empty.sum())
    for what, number in found.items():
        seen[what] = seen.get(what, 0) + number
