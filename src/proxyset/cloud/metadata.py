"""What the pool says of its own items, as groups that selection may tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

GROUPINGS = ("source", "label")  # columns of the shards that may say what kind of item it is
MOST_GROUPS = 64  # the largest ones; the rest are one group
_MOST_VALUES = 10_000  # a column with more values is an identifier, not a grouping


def groupings(read: Callable[[], Iterable[pa.RecordBatch]], count: int) -> dict[str, NDArray[np.uint8]]:
    """Codes of the groups of every item, for each column that groups the pool at all.

    Args:
        read: called twice; yields the columns `GROUPINGS` of all items in order.
        count: items of the pool.

    Returns:
        Column → (count,) uint8 codes: 0 for items without a value or of a rare one, 1 … for the others, the
        largest group first. Columns with fewer than two values, or more than 10,000, are left out.
    """
    values: dict[str, Counter[str]] = {name: Counter() for name in GROUPINGS}
    for batch in read():
        for name, counter in list(values.items()):
            for found in pc.value_counts(batch.column(name)).to_pylist():
                if found["values"]:
                    counter[found["values"]] += found["counts"]
            if len(counter) > _MOST_VALUES:
                del values[name]
    codes = {
        name: {value: code for code, (value, _) in enumerate(counter.most_common(MOST_GROUPS - 1), start=1)}
        for name, counter in values.items()
        if len(counter) > 1
    }
    found_codes: dict[str, NDArray[np.uint8]] = {name: np.zeros(count, np.uint8) for name in codes}
    start = 0
    for batch in read() if codes else ():
        for name, known in codes.items():
            found_codes[name][start : start + len(batch)] = list(_coded(batch.column(name), known))
        start += len(batch)
    return found_codes


def _coded(column: pa.Array, known: dict[str, int]) -> Iterator[int]:
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    table = [known.get(value, 0) for value in encoded.dictionary.to_pylist()]
    return (table[index] for index in encoded.indices.to_numpy(zero_copy_only=False))
