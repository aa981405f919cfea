"""What tells an item from another that has taken its place: 64 bits of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pat
from numpy.typing import NDArray

from proxyset.encoders.columns import splitmix64
from proxyset.sources import arrow
from proxyset.sources.source import Items, Kind

_ABSENT = np.uint64(0x5851F42D4C957F2D)


def contents(kind: Kind, items: Items) -> NDArray[np.uint64]:
    """One number an item: (n,) uint64, equal for equal items, whatever batch they come in.

    Bytes and texts: the first 8 bytes of their SHA-256. Embeddings: a multilinear hash of their float32. Rows: one of their cells,
    by the names of the columns. For noticing that a pool has changed, not against somebody who forges one.
    """
    match kind:
        case "embedding":
            return _of_vectors(np.asarray(items))
        case "table":
            return _of_rows(items)
        case "text":
            return _each(items, lambda text: text.encode("utf-8", "surrogatepass"))
        case "image":
            return _each(items, bytes)


def _each(items: Any, as_bytes: Callable[[Any], bytes]) -> NDArray[np.uint64]:
    digests = b"".join(hashlib.sha256(as_bytes(item)).digest()[:8] for item in items)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _of_vectors(X: NDArray[Any]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(X, np.float32)
    if single.shape[1] % 2:
        single = np.pad(single, ((0, 0), (0, 1)))
    words = single.view(np.uint64)
    found: NDArray[np.uint64] = np.einsum("ij,j->i", words, _odd(words.shape[1]))
    return found


def _of_rows(table: pa.Table) -> NDArray[np.uint64]:
    found = np.zeros(len(table), np.uint64)
    for name, column in zip(table.column_names, table.columns, strict=True):
        factor = _each([name], str.encode) | np.uint64(1)
        found += splitmix64(_of_cells(column.combine_chunks())) * factor
    return found


def _of_cells(column: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    if isinstance(column, pa.ChunkedArray):  # none, or one that does not fit in one chunk
        parts = [_of_cells(chunk) for chunk in column.chunks]
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)
    column = arrow.plain(column)
    kind = column.type
    absent = column.is_null().to_numpy(zero_copy_only=False)
    if pat.is_null(kind):
        return np.full(len(column), _ABSENT)
    if pat.is_floating(kind):
        values = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False).view(np.uint64)
    elif pat.is_boolean(kind) or pat.is_integer(kind) or _is_count(kind):
        values = _integers(column)
    else:
        if arrow.is_text(kind):
            column = column.cast(pa.large_binary())
        elif not arrow.is_bytes(kind) or pat.is_struct(kind):
            column = pa.array([repr(value).encode() for value in column.to_pylist()], pa.large_binary())
        encoded = column.dictionary_encode()
        known = np.append(_each(encoded.dictionary.to_pylist(), bytes), _ABSENT)
        values = known[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return np.where(absent, _ABSENT, values)


def _is_count(kind: pa.DataType) -> bool:
    return bool(pat.is_timestamp(kind) or pat.is_date(kind) or pat.is_time(kind) or pat.is_duration(kind))


def _integers(column: pa.Array) -> NDArray[np.uint64]:
    if pat.is_date32(column.type) or pat.is_time32(column.type):
        column = column.cast(pa.int32())
    wide = pa.uint64() if pat.is_uint64(column.type) else pa.int64()
    if pat.is_boolean(column.type):
        column = column.cast(pa.uint8())
    counts: NDArray[np.uint64] = column.cast(wide).fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64)
    return counts


def _odd(count: int) -> NDArray[np.uint64]:
    """Fixed pseudo-random odd numbers."""
    return splitmix64(np.arange(1, count + 1, dtype=np.uint64)) | np.uint64(1)
