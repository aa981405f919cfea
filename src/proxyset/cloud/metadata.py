"""What the pool says of its own items, as groups that selection may tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

GROUPINGS = ("source", "label")  # columns of the shards that may say what kind of item it is
MOST_GROUPS = 64  # the largest ones; the rest are one group
_MOST_VALUES = 10_000  # a column with more values is an identifier, not a grouping
ValueCounts: TypeAlias = dict[
    str, Counter[str]
]  # column → value → items; without the columns of too many values


def value_counts(batches: Iterable[pa.RecordBatch]) -> ValueCounts:
    """How often each value of the columns `GROUPINGS` occurs in a part of a pool."""
    values: ValueCounts = {name: Counter() for name in GROUPINGS}
    for batch in batches:
        for name, counter in list(values.items()):
            for found in pc.value_counts(batch.column(name)).to_pylist():
                if found["values"]:
                    counter[found["values"]] += found["counts"]
            if len(counter) > _MOST_VALUES:
                del values[name]
    return values


def known_values(parts: Iterable[ValueCounts]) -> dict[str, dict[str, int]]:
    """Codes of the groups of a pool, for each column that groups it at all.

    Args:
        parts: what `value_counts` gives for its parts, in order.

    Returns:
        Column → value → code from 1, the largest group first; of equally large ones the first that occurs. Code 0 is for items
        without a value or of a rare one. Columns with fewer than two values, or more than 10,000, are left out.
    """
    values: ValueCounts = {name: Counter() for name in GROUPINGS}
    for part in parts:
        for name in list(values):
            if name in part:
                values[name].update(part[name])
            if name not in part or len(values[name]) > _MOST_VALUES:
                del values[name]
    return {
        name: {value: code for code, (value, _) in enumerate(counter.most_common(MOST_GROUPS - 1), start=1)}
        for name, counter in values.items()
        if len(counter) > 1
    }


def coded(column: pa.Array, known: Mapping[str, int]) -> NDArray[np.uint8]:
    """(m,) the codes of a column's values."""
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    table = np.array([known.get(value, 0) for value in encoded.dictionary.to_pylist()], np.uint8)
    codes: NDArray[np.uint8] = table[encoded.indices.to_numpy(zero_copy_only=False)]
    return codes
