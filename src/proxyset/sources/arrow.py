"""From Arrow columns to items: bytes, texts, vectors, and tables of numbers and strings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from proxyset.encoders.columns import numbers
from proxyset.errors import InvalidData


def typed(column: pa.Array, numeric: bool) -> pa.Array:
    """A column as float64 (dates and times in microseconds, booleans as 0 and 1: `columns.numbers`) or as string."""
    if numeric:
        found, absent = numbers(column, "")[0], column.is_null().to_numpy(zero_copy_only=False)
        return pa.array(found, mask=absent)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string())


def is_numeric(kind: pa.DataType) -> bool | None:
    """Whether a table has such a column as numbers (True), as strings (False) or not at all (None)."""
    if pa.types.is_dictionary(kind):
        return is_numeric(kind.value_type)
    types = pa.types
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind):
        return True
    if types.is_temporal(kind) and not types.is_interval(kind):
        return True
    return False if is_text(kind) or types.is_null(kind) else None


def is_text(kind: pa.DataType) -> bool:
    """Whether this is a type of strings."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether this is a type of byte strings, or the struct with `bytes` that Hugging Face data sets have."""
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and is_bytes(kind.field(place).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_vectors(kind: pa.DataType) -> bool:
    """Whether this is a type of lists of numbers."""
    types = pa.types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_integer(kind.value_type) or types.is_floating(kind.value_type))


def strings(column: pa.Array, where: str) -> list[str | None]:
    """A column beside the items, as text.

    Raises:
        InvalidData: it has values that are not text, numbers or times.
    """
    try:
        found: list[str | None] = typed(column, numeric=False).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InvalidData(f"{where} of type {column.type} cannot be carried as text: {error}") from error
    return found


def images(column: pa.Array) -> list[bytes]:
    """File bytes; b"" (which no encoder takes for an image) where there is no value."""
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    return [data or b"" for data in column.to_pylist()]


def texts(column: pa.Array) -> list[str]:
    """Texts; "" where there is no value."""
    return [text or "" for text in column.to_pylist()]


def vectors(column: pa.Array, where: str) -> NDArray[Any]:
    """Vectors as an (n, d) array of their own dtype; a row without a value is NaN, and the array floating.

    Raises:
        InvalidData: the vectors are empty or have different lengths, or none has a value.
    """
    lengths = pc.list_value_length(column).drop_null().to_numpy()
    if not len(lengths) or not lengths.max() or lengths.min() != lengths.max():
        found = f"from {lengths.min()} to {lengths.max()} numbers" if len(lengths) else "no value"
        raise InvalidData(
            f"{where}: the embeddings of a batch have {found}; all must have the same number, d ≥ 1"
        )
    flat = column.flatten().to_numpy(zero_copy_only=False)  # without those that have no value
    if not column.null_count:
        return np.array(flat.reshape(len(column), lengths[0]))
    rows = np.full((len(column), lengths[0]), np.nan, np.result_type(flat.dtype, np.float16))
    rows[column.is_valid().to_numpy(zero_copy_only=False)] = flat.reshape(-1, lengths[0])
    return rows


def table(columns: Mapping[str, pa.Array], numeric: Mapping[str, bool]) -> pa.Table:
    """A table with exactly the columns of `numeric`, as float64 where it says True, else as string."""
    return pa.table({name: typed(columns[name], number) for name, number in numeric.items()})
