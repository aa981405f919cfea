"""Arrow columns as what the tabular encoder reads: numbers (NaN where missing) or texts."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat
from numpy.typing import NDArray

from proxyset.errors import InvalidData


def column_kind(dtype: pa.DataType) -> Literal["number", "category", "empty", "other"]:
    """What a column of this Arrow type can be; "empty" has a type only once a value has been seen."""
    if pat.is_dictionary(dtype):
        return column_kind(dtype.value_type)
    if pat.is_null(dtype):
        return "empty"
    if pat.is_boolean(dtype) or pat.is_integer(dtype) or pat.is_floating(dtype) or pat.is_decimal(dtype):
        return "number"
    if pat.is_date(dtype) or pat.is_timestamp(dtype) or pat.is_time(dtype) or pat.is_duration(dtype):
        return "number"
    return "category" if pat.is_string(dtype) or pat.is_large_string(dtype) else "other"


def numbers(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    """(n,) float64, NaN where missing, and row → problem. Dates and times count in microseconds, true is 1.

    Raises:
        InvalidData: the column holds lists, structs or bytes.
    """
    column = _plain(column)
    dtype = column.type
    kind = column_kind(dtype)
    if kind == "category":
        return _parsed(column, name)
    if kind == "other":
        raise InvalidData(f"column {name!r} must hold numbers; it holds {dtype}")
    if pat.is_date(dtype) or pat.is_timestamp(dtype):
        column = column.cast(pa.timestamp("us", getattr(dtype, "tz", None)), safe=False).cast(pa.int64())
    elif pat.is_time(dtype):
        column = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif pat.is_duration(dtype):
        column = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
    elif pat.is_boolean(dtype):
        column = column.cast(pa.uint8())
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), {}


def texts(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """The column as large_string; numbers are written out.

    Raises:
        InvalidData: the column holds lists, structs or bytes.
    """
    column = _plain(column)
    if column_kind(column.type) == "other":
        raise InvalidData(f"column {name!r} must hold texts; it holds {column.type}")
    return column.cast(pa.large_string())


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pat.is_dictionary(column.type) else column


def _parsed(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Numbers that were read as text, because one of them is not a number."""
    values = np.full(len(column), np.nan)
    problems = {}
    for row, text in enumerate(pc.utf8_trim_whitespace(column).to_pylist()):
        try:
            values[row] = float(text) if text else np.nan
        except ValueError:
            problems[row] = f"column {name!r} holds {text[:50]!r}, not a number"
    return values, problems
