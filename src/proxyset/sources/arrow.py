"""From Arrow columns to items: bytes, texts and vectors."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from proxyset.errors import InvalidData


def plain(column: pa.Array) -> pa.Array:
    """A column without what is but a way of writing it: an extension (tensors), a dictionary, a view of lists."""
    if isinstance(column.type, pa.BaseExtensionType):
        return plain(column.storage)
    if pa.types.is_dictionary(column.type):
        return plain(column.dictionary_decode())
    if pa.types.is_list_view(column.type) or pa.types.is_large_list_view(column.type):
        return column.cast(pa.large_list(column.type.value_type))
    return column


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of a `plain` column."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return pa.large_list(kind.value_type)
    return kind


def without_views(table: pa.Table) -> pa.Table:
    """A table whose texts and bytes are no views: Arrow takes no rows out of those."""
    fields = [field.with_type(_without_views(field.type)) for field in table.schema]
    schema = pa.schema(fields, table.schema.metadata)
    return table if schema.equals(table.schema) else table.cast(schema)


def check_kept(schema: pa.Schema) -> None:
    """Whether rows can be kept, as Parquet.

    Raises:
        InvalidData: a column is of a type that Parquet does not have.
    """
    for field in schema:
        try:
            pq.write_table(pa.schema([field]).empty_table(), io.BytesIO())
        except pa.ArrowNotImplementedError as error:
            raise InvalidData(
                f"the column {field.name!r} is of the type {field.type}, which cannot be kept ({error}): cast it to another, "
                "or leave it out"
            ) from error


def _without_views(kind: pa.DataType) -> pa.DataType:
    types, inner = pa.types, _without_views
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([field.with_type(inner(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(inner(kind.key_type), inner(kind.item_type), kind.keys_sorted)
    if types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(inner(kind.value_type)), kind.list_size)
    for is_list, of in (types.is_list, pa.list_), (types.is_large_list, pa.large_list):
        if is_list(kind):
            return of(kind.value_field.with_type(inner(kind.value_type)))
    return kind


def is_text(kind: pa.DataType) -> bool:
    """Whether this is a type of strings."""
    kind = plain_type(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether this is a type of byte strings, or the struct with `bytes` that Hugging Face data sets have."""
    kind = plain_type(kind)
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and is_bytes(kind.field(place).type)
    some = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(is_such(kind) for is_such in some)


def is_vectors(kind: pa.DataType) -> bool:
    """Whether this is a type of lists of numbers."""
    types, kind = pa.types, plain_type(kind)
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_integer(kind.value_type) or types.is_floating(kind.value_type))


def strings(column: pa.Array, where: str) -> list[str | None]:
    """A column beside the items, as text.

    Raises:
        InvalidData: it has values that are not text, numbers or times.
    """
    try:
        found: list[str | None] = plain(column).cast(pa.string()).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InvalidData(f"{where} of type {column.type} cannot be carried as text: {error}") from error
    return found


def images(column: pa.Array) -> list[bytes]:
    """File bytes; b"" (which no encoder takes for an image) where there is no value."""
    column = plain(column)
    if pa.types.is_struct(column.type):
        column = plain(pc.struct_field(column, "bytes"))
    return [data or b"" for data in column.to_pylist()]


def texts(column: pa.Array) -> list[str]:
    """Texts; "" where there is no value."""
    return [text or "" for text in column.to_pylist()]


def vectors(column: pa.Array, where: str) -> NDArray[Any]:
    """Vectors as an (n, d) array of their own dtype; a row without a value is NaN, and the array floating.

    Raises:
        InvalidData: the vectors are empty or have different lengths, or none has a value.
    """
    column = plain(column)
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


def spelled(column: pa.Array) -> list[str | None]:
    """Cells as texts that read back as what they are: texts as they are, times in ISO 8601, bytes as base64, lists as JSON."""
    column = plain(column)
    kind = column.type
    if pa.types.is_duration(kind):
        column = column.cast(pa.int64())  # a number, which has no unit in a text
    elif is_bytes(kind) and not pa.types.is_struct(kind):
        return [None if cell is None else base64.b64encode(cell).decode() for cell in column.to_pylist()]
    elif pa.types.is_nested(kind):
        cells = column.to_pylist()
        return [None if cell is None else json.dumps(cell, ensure_ascii=False, default=str) for cell in cells]
    found: list[str | None] = column.cast(pa.string()).to_pylist()
    return found


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables with the same columns as one. Where their types differ, a column has one that holds all; else it is of texts."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        texts = [
            pa.table(
                [pa.array(spelled(column.combine_chunks()), pa.string()) for column in table.columns],
                table.column_names,
            )
            for table in tables
        ]
        return pa.concat_tables(texts)
