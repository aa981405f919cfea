"""How arrays of features travel: float32, or centred and scaled by column into float16 or int8."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.container import Tensors

Dtype = Literal["float32", "float16", "int8"]


def parts(name: str, dtype: Dtype) -> set[str]:
    """The tensors that an array travels as."""
    return {name} if dtype == "float32" else {name, f"{name}.offset", f"{name}.scale"}


def compress(name: str, array: NDArray[np.floating[Any]], dtype: Dtype) -> Tensors:
    """Columns are centred and scaled to [−1, 1] (float16) or [−127, 127] (int8), so any unit and offset survives.

    Raises:
        InvalidInput: an unknown dtype, or a value that is no number or beyond float32.
    """
    array = np.asarray(array, np.float64)
    if not (np.abs(array) <= np.finfo(np.float32).max).all():  # False for NaN too
        raise InvalidInput(f"{name} hold NaN, infinity, or values beyond what float32 can hold")
    if dtype == "float32":
        return {name: array.astype(np.float32)}
    low, high = array.min(axis=0), array.max(axis=0)
    offset = ((low + high) / 2).astype(np.float32)
    reach = np.maximum(high - offset, offset - low)
    if dtype == "float16":
        scale = _scale(reach)
        values = ((array - offset) / scale).astype(np.float16)
    elif dtype == "int8":
        scale = _scale(reach / 127)
        values = np.clip(np.round((array - offset) / scale), -127, 127).astype(np.int8)
    else:
        raise InvalidInput(f"unknown dtype {dtype!r}: choose float32, float16 or int8")
    return {name: values, f"{name}.offset": offset, f"{name}.scale": scale}


def _scale(reach: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32, and never 0: columns whose values are nearly all alike become 0 with a scale of 1."""
    scale = reach.astype(np.float32)
    return np.where(scale > 0, scale, np.float32(1))


def decompress(
    name: str, tensors: Tensors, dtype: Dtype, shape: tuple[int, ...], what: str = "probe"
) -> NDArray[np.float32]:
    """What `compress` made, with every array checked.

    Raises:
        ArtifactError: an array is of another type or shape, or not finite.
    """
    values: NDArray[np.float32] = exact(name, tensors, np.dtype(dtype), shape, what)
    if dtype == "float32":
        return values
    offset = exact(f"{name}.offset", tensors, np.float32, shape[1:], what)
    scale = exact(f"{name}.scale", tensors, np.float32, shape[1:], what)
    with np.errstate(over="ignore"):
        out: NDArray[np.float32] = (values.astype(np.float64) * scale + offset).astype(np.float32)
    if not np.isfinite(out).all():
        raise ArtifactError(f"the {what}'s {name!r} overflows float32")
    return out


def exact(
    name: str, tensors: Tensors, dtype: DTypeLike, shape: tuple[int, ...], what: str = "probe"
) -> NDArray[Any]:
    """The tensor `name`, if it is of this type and shape and finite.

    Raises:
        ArtifactError: it is not.
    """
    array = tensors[name]
    if array.dtype != dtype or array.shape != shape:
        raise ArtifactError(
            f"the {what}'s {name!r} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}"
        )
    if not np.isfinite(array).all():
        raise ArtifactError(f"the {what}'s {name!r} contains NaN or infinity")
    return array
