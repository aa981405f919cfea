"""Arrow columns as what the tabular encoder reads, cell by cell: numbers (NaN where missing) or canonical texts.

No function here raises for what a column holds, and none looks at one cell to read another: a cell that is not what is asked
for is a problem of its own row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat
from numpy.typing import NDArray

from proxyset.encoders import cells

# Metadata of a column of texts whose file has no types (CSV): what a cell says is all there is to know of it.
WRITTEN = {b"proxyset": b"written"}
NEVER = ("id", "label", "source", "uri", "licence")  # names an item or where it is from, never what it is

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_SECONDS = 86_400
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # splitmix64's step


def column_kind(dtype: pa.DataType) -> Literal["number", "category", "empty", "other"]:
    """What a column of this Arrow type can be; "empty" has a type only once a value has been seen."""
    if pat.is_dictionary(dtype):
        return column_kind(dtype.value_type)
    if pat.is_null(dtype):
        return "empty"
    if pat.is_boolean(dtype) or pat.is_integer(dtype) or pat.is_floating(dtype) or pat.is_decimal(dtype):
        return "number"
    if _is_moment(dtype) or pat.is_time(dtype) or pat.is_duration(dtype):
        return "number"
    is_text = pat.is_string(dtype) or pat.is_large_string(dtype) or pat.is_string_view(dtype)
    return "category" if is_text else "other"


def is_written(field: pa.Field) -> bool:
    """Whether a column comes from a file without types, so that its texts may be meant as numbers."""
    return (field.metadata or {}).get(b"proxyset") == WRITTEN[b"proxyset"]


def numbers(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    """(n,) float64, NaN where missing, and row → problem. Texts are read by `cells.number`; dates and times count in
    microseconds, true is 1."""
    column = _plain(column)
    match column_kind(column.type):
        case "category":
            return _parsed(column, name)
        case "other":
            return np.full(len(column), np.nan), _not_read(column, name)
        case "empty":
            return np.full(len(column), np.nan), {}
    if pat.is_temporal(column.type):
        whole = _microseconds(column)
        values = whole.astype(np.float64)
        values[column.is_null().to_numpy()] = np.nan
        return values, {}
    if pat.is_boolean(column.type):
        column = column.cast(pa.uint8())
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), {}


def texts(column: pa.ChunkedArray, name: str) -> tuple[pa.Array, dict[int, str]]:
    """(n,) large_string of canonical texts (`cells.canonical`), null where missing, and row → problem."""
    column = _plain(column)
    kind, dtype = column_kind(column.type), column.type
    if kind in ("other", "empty"):
        nothing = pa.nulls(len(column), pa.large_string())
        return nothing, _not_read(column, name) if kind == "other" else {}
    spell: Callable[[Any], str | None] = cells.canonical
    problem = f"column {name!r} holds a text that is not UTF-8"
    if kind == "category":
        column, spell = column.cast(pa.large_binary()), _spelled
    elif pat.is_temporal(dtype):
        column = pa.array(_microseconds(column), pa.int64(), mask=column.is_null().to_numpy())
        spell = cells.moment_text if _is_moment(dtype) else cells.time_text if pat.is_time(dtype) else str
    elif pat.is_floating(dtype) and not pat.is_float64(
        dtype
    ):  # 0.1, not the double nearest to a single's 0.1
        column = _written(column)
    elif pat.is_decimal(dtype):
        column = column.cast(pa.decimal256(76, dtype.scale))  # Arrow has no dictionary of the narrow ones
    encoded = _combined(column).dictionary_encode()
    found = encoded.dictionary.to_pylist()
    unread = np.array([False, *(kind == "category" and not _is_utf8(value) for value in found)])
    spelled = [None if bad else spell(value) for value, bad in zip(found, unread[1:], strict=True)]
    wrong = np.flatnonzero(unread[_codes(encoded)])
    return pc.take(pa.array(spelled, pa.large_string()), encoded.indices), dict.fromkeys(
        wrong.tolist(), problem
    )


def _spelled(data: bytes) -> str | None:
    return cells.canonical(data.decode())


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _codes(encoded: pa.DictionaryArray) -> NDArray[np.int64]:
    """Where in [null, *dictionary] each value is."""
    codes: NDArray[np.int64] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False) + 1
    return codes


def _parsed(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Numbers that are written as text, each different text once."""
    encoded = _combined(column.cast(pa.large_binary())).dictionary_encode()
    found = [cells.number(data.decode("utf-8", "replace")) for data in encoded.dictionary.to_pylist()]
    values = np.array([np.nan, *(np.nan if value is None else value for value in found)])
    wrong = np.array([False, *(value is None for value in found)])
    codes = _codes(encoded)
    problem = f"column {name!r} holds a text that is no number"
    return values[codes], dict.fromkeys(np.flatnonzero(wrong[codes]).tolist(), problem)


def _microseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """(n,) int64 of a column of dates, times or durations, 0 where null; what int64 cannot hold is cut off at its ends."""
    dtype = column.type
    if pat.is_date32(dtype) or pat.is_time32(dtype):
        column = column.cast(pa.int32())
    counts: NDArray[np.int64] = column.cast(pa.int64()).fill_null(0).to_numpy()
    if pat.is_date32(dtype):
        unit, factor = 1, _DAY_SECONDS
    else:
        unit, factor = _PER_SECOND["ms" if pat.is_date64(dtype) else dtype.unit], 1
    if unit > 1_000_000:
        return counts // (unit // 1_000_000)
    factor *= 1_000_000 // unit
    most = (2**63 - 1) // factor
    cut: NDArray[np.int64] = np.clip(counts, -most, most) * factor
    return cut


def _is_moment(dtype: pa.DataType) -> bool:
    return bool(pat.is_date(dtype) or pat.is_timestamp(dtype))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without a dictionary, which is a way of writing and says nothing."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    while pat.is_dictionary(column.type):
        kind = column.type.value_type
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], kind)
    return column


def _written(column: pa.ChunkedArray) -> pa.Array:
    """Singles and halves as the doubles that are written like them."""
    short = column.fill_null(np.nan).to_numpy()
    return pa.array([float(str(value)) for value in short], pa.float64())


def _combined(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _not_read(column: pa.ChunkedArray, name: str) -> dict[int, str]:
    problem = f"column {name!r} holds {str(column.type)[:50]}, which is neither a number nor a text"
    return dict.fromkeys(np.flatnonzero(column.is_valid().to_numpy()).tolist(), problem)


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Pseudo-random numbers: every bit of the result depends on every bit of the value; distinct for distinct values."""
    z = values + GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
