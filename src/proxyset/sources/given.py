"""What a caller may hand over in memory, recognised by what it can do, so that no library has to be installed for it.

| given | seen as |
|---|---|
| a NumPy array or torch tensor of shape (n, d) | a matrix: embeddings |
| an Arrow table, a Hugging Face data set, a polars frame | a table: Arrow columns |
| a pandas frame | a frame: columns of Python objects |
| a list, an array of pictures, a torch data set | records: `len(data)` of them, `data[row]` each |

A record is a text, a picture (file bytes, a PIL image, an array of pixels), a vector, a mapping from column to value, or a tuple
whose first part is one of these and whose second is its label, as torch data sets give it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeGuard, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageOps

from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources.columns import TEXT_COLUMNS, look_up
from proxyset.sources.source import Kind

# Under which names a mapping may hold its item, in order of preference.
NAMES: dict[Kind, tuple[str, ...]] = {
    "image": ("image", "img", "jpg", "jpeg", "png", "webp", "bytes"),
    "text": TEXT_COLUMNS,
    "embedding": ("embedding", "emb"),
}
_WIDEST = 8  # bytes of a number that Arrow and others have, too
ACCEPTED = (
    "an array or tensor of shape (n, d), a pandas or polars frame, an Arrow table, a Hugging Face data set, a torch data set "
    "with a length, or a list of texts, pictures, vectors or mappings"
)


@runtime_checkable
class Records(Protocol):
    """Records by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Any: ...


InMemory: TypeAlias = NDArray[Any] | Records | pa.Table
Given: TypeAlias = str | os.PathLike[str] | InMemory  # a frame is a Records too, as far as types can tell


def is_path(data: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether this names data rather than being them."""
    return isinstance(data, str | os.PathLike)


def as_matrix(data: Any) -> NDArray[Any] | None:
    """An array or tensor of numbers with two dimensions, as an array; None for anything else."""
    array = _array(data)
    return array if array is not None and array.ndim == 2 and array.dtype.kind in "fiu" else None


def as_table(data: Any) -> pa.Table | None:
    """Data that lie in Arrow columns; None for anything else."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if (
        hasattr(data, "with_format") and hasattr(data, "features") and hasattr(data, "__len__")
    ):  # Hugging Face
        return data.with_format("arrow")[:] if len(data) else pa.table({})
    found = data.to_arrow() if hasattr(data, "to_arrow") else None  # polars
    return found if isinstance(found, pa.Table) else None


def is_frame(data: Any) -> bool:
    """Whether this is a pandas frame."""
    return hasattr(data, "iloc") and hasattr(data, "columns") and hasattr(data, "dtypes")


def as_records(data: Any) -> Records:
    """Data that are counted and reached by number.

    Raises:
        InvalidInput: they are not; the message says what can be given.
    """
    for name in ("to_pylist", "to_list"):  # one column of Arrow, pandas or polars
        if hasattr(data, name):
            data = getattr(data, name)()
    array = _array(data)
    if array is not None and array.size and (array.ndim == 1) == (array.dtype.kind in "fiubc"):
        raise InvalidData(
            f"an array of {array.dtype} and shape {array.shape} holds no items: give {ACCEPTED}"
        )
    if isinstance(data, Mapping | bytes | set | frozenset) or not isinstance(data, Records):
        kind = type(data)
        why = "it has no length, or its items cannot be reached by number: list(data) makes them so"
        if isinstance(data, Mapping):
            why = (
                "one split of a data set is read, data['train']; columns as a frame or as pyarrow.table(data)"
            )
        raise InvalidInput(
            f"a {kind.__module__}.{kind.__qualname__} cannot be read ({why}). Give a path, {ACCEPTED}"
        )
    return data


def parts(record: Any, kind: Kind | None = None) -> tuple[Any, Mapping[str, Any]]:
    """The item of a record, and the columns beside it. A mapping of kind "table", or without an item, is its own item."""
    if isinstance(record, tuple) and record:
        return record[0], {"label": _scalar(record[1])} if len(record) > 1 else {}
    if not isinstance(record, Mapping):
        return record, {}
    names = NAMES.get(kind, ()) if kind else [name for some in NAMES.values() for name in some]
    there = (look_up(name, record) for name in names)
    found = next((name for name in there if name is not None and record[name] is not None), None)
    columns = {str(name): _scalar(value) for name, value in record.items() if name != found}
    return (columns if found is None else record[found]), columns


def kind_of(item: Any) -> Kind | None:
    """What kind an item is; None if it is none."""
    if isinstance(item, str):
        return "text"
    if isinstance(item, Mapping):
        return "image" if "bytes" in item else "table"
    if isinstance(item, bytes | bytearray | memoryview | Image.Image):
        return "image"
    array = _array(item)
    if array is None and isinstance(item, list):
        array = np.asarray(item)
    if array is None or array.dtype.kind not in "fiu" or array.ndim not in (1, 2, 3):
        return None
    return "embedding" if array.ndim == 1 else "image"


def picture(item: Any) -> bytes:
    """A picture as the bytes of a file: file bytes as they are, all else as PNG, which changes no pixel.

    Args:
        item: file bytes; a PIL image; or an array or tensor of pixels of shape (height, width), (height, width, 1 or 3) or
            (1 or 3, height, width), of 8-bit integers or of floats from 0 to 1.

    Raises:
        InvalidData: it is none of these.
    """
    if isinstance(item, Mapping):  # as Hugging Face data sets hold a picture that is not decoded
        item = item.get("bytes")
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if not isinstance(item, Image.Image):
        item = Image.fromarray(_pixels(item))
    if item.mode == "F":
        raise InvalidData("the picture holds floating-point values, which have no agreed range")
    if item.mode.startswith("I"):
        values = np.asarray(item).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InvalidData(f"the picture holds values of {values.min()} to {values.max()}, not 0 to 65535")
        item = Image.fromarray(values.astype(np.uint16))
    elif item.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        item = item.convert("RGBA" if item.mode in ("PA", "La", "RGBa") else "RGB")
    out = io.BytesIO()
    ImageOps.exif_transpose(item).save(out, "PNG", compress_level=1, exif=b"")
    return out.getvalue()


def text(item: Any) -> str:
    """A text as it is.

    Raises:
        InvalidData: it is none.
    """
    if not isinstance(item, str):
        raise InvalidData(f"it is no text but {type(item).__name__}")
    return item


def vector(item: Any) -> NDArray[Any]:
    """Numbers in a row: (d,), of their own type.

    Raises:
        InvalidData: they are none.
    """
    found = _array(item)
    array = np.asarray(item) if found is None else found
    if array.ndim != 1 or array.dtype.kind not in "fiu" or not array.size:
        raise InvalidData(f"it is no vector of numbers but {array.dtype} of shape {array.shape}")
    return array


def _array(data: Any) -> NDArray[Any] | None:
    if any(getattr(data, name, False) for name in ("is_sparse", "is_sparse_csr", "getnnz")):
        raise InvalidInput(
            "a sparse array is not read: make it dense, with data.toarray() or data.to_dense()"
        )
    if isinstance(data, np.ma.MaskedArray) and data.dtype.kind in "fiu":
        filled: NDArray[Any] = np.ma.filled(data.astype(np.float64), np.nan)
        return filled
    if isinstance(data, np.ndarray):
        if data.dtype.kind == "f" and data.dtype.itemsize > _WIDEST:
            raise InvalidData(f"numbers of {data.dtype} have no counterpart elsewhere: make them float64")
        return data
    if hasattr(data, "detach") and hasattr(
        data, "numpy"
    ):  # torch; what NumPy has no type for (bfloat16) is made float
        data = data.detach().cpu()
        return np.asarray(data.float().numpy() if data.is_floating_point() else data.numpy())
    return None


def _pixels(item: Any) -> NDArray[np.uint8]:
    found = _array(item)
    if found is None:
        raise InvalidData(f"it is no picture but {type(item).__name__}")
    if found.ndim == 3 and found.shape[0] in (1, 3) and found.shape[2] not in (1, 3):
        found = np.moveaxis(found, 0, -1)
    if found.ndim == 3 and found.shape[2] == 1:
        found = found[..., 0]
    if not found.size or not (found.ndim == 2 or (found.ndim == 3 and found.shape[2] == 3)):
        raise InvalidData(f"pixels have the shape (height, width) or (height, width, 3), not {found.shape}")
    if found.dtype.kind == "f":
        if not (found.min() >= 0 and found.max() <= 1):
            raise InvalidData(
                f"pixels that are floats lie between 0 and 1, not {found.min():g} and {found.max():g}"
            )
        found = np.rint(found * 255).astype(np.uint8)
    if found.dtype != np.uint8:
        raise InvalidData(f"pixels are 8-bit integers or floats, not {found.dtype}")
    pixels: NDArray[np.uint8] = np.ascontiguousarray(found)
    return pixels


def _scalar(value: Any) -> Any:
    """A NumPy or torch scalar as Python's own; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def stacked(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Vectors as one array.

    Raises:
        InvalidData: they have different lengths.
    """
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise InvalidData(
            f"the vectors have from {lengths[0]} to {lengths[-1]} numbers; all must have the same"
        )
    return np.stack(rows)
