"""One change to a classifier's ONNX file, without the onnx library: what is added to its logits, and what it says of itself.

A protocol buffer is a list of fields, so a graph is changed by appending nodes and tensors to it and renaming what it gives; all
other bytes stay. Field numbers are those of onnx.proto3, as in `onnx_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset.encoders.onnx_file import fields
from proxyset.errors import InvalidData

_GRAPH, _METADATA = 7, 14  # of a model
_NODE, _TENSOR, _INPUT, _OUTPUT = 1, 5, 11, 12  # of a graph
_NAME = 1  # of an input, an output, and the key of a metadata entry
_VALUE = 2
_FLOAT32 = 1
_OURS = "proxyset_home/"


def metadata_of(model: bytes, path: Path) -> dict[str, str]:
    """The metadata of an ONNX file. Raises InvalidData for what is none."""
    found = {}
    for number, value in fields(memoryview(model), path):
        if number == _METADATA and isinstance(value, memoryview):
            entry = {key: bytes(text) for key, text in fields(value, path) if isinstance(text, memoryview)}
            found[entry.get(_NAME, b"").decode()] = entry.get(_VALUE, b"").decode()
    return found


def shift_logits(
    model: bytes,
    path: Path,
    *,
    scale: float,
    offsets: NDArray[np.float64],
    slopes: NDArray[np.float64] | None = None,
    metadata: Mapping[str, str],
) -> bytes:
    """The model with scale · logits + offsets + input · slopes as its output.

    Args:
        model: an ONNX file with one output, (n, K) logits.
        path: for messages.
        scale: of the logits.
        offsets: (K,).
        slopes: (d, K), for a model whose one input is (n, d); None for none.
        metadata: entries that replace those of the same name, or are added.

    Raises:
        InvalidData: it is cut off, damaged, no ONNX model, has several outputs, or was changed in this way before.
    """
    out, seen = [], set()
    for number, value in fields(memoryview(model), path):
        if number == _GRAPH and isinstance(value, memoryview):
            value = memoryview(_shifted(value, path, scale, offsets, slopes))
        if number == _METADATA and isinstance(value, memoryview):
            key = next(bytes(text) for of, text in fields(value, path) if of == _NAME).decode()
            if key in metadata:
                continue
        seen.add(number)
        out.append(_field(number, value))
    if _GRAPH not in seen:
        raise InvalidData(f"{path} has no graph: it is no ONNX model")
    out += [
        _field(_METADATA, _message((_NAME, key.encode()), (_VALUE, text.encode())))
        for key, text in metadata.items()
    ]
    return b"".join(out)


def _shifted(
    graph: memoryview,
    path: Path,
    scale: float,
    offsets: NDArray[np.float64],
    slopes: NDArray[np.float64] | None,
) -> bytes:
    parts = list(fields(graph, path))
    tensors = {_text(value, path, 8) for number, value in parts if number == _TENSOR}
    inputs = [
        name
        for number, value in parts
        if number == _INPUT and (name := _text(value, path, _NAME)) not in tensors
    ]
    outputs = [value for number, value in parts if number == _OUTPUT]
    if len(outputs) != 1 or len(inputs) != 1:
        raise InvalidData(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; it must have one of each"
        )
    logits = _text(outputs[0], path, _NAME)
    if logits.startswith(_OURS):
        raise InvalidData(f"{path} is fitted to one owner's items already: fit the model that was fetched")
    scaled, moved, both, fitted = (_OURS + name for name in ("scaled", "moved", "both", "fitted"))
    tensors_of_ours = {_OURS + "scale": np.array(scale), _OURS + "offsets": offsets}
    nodes = [("Mul", logits, _OURS + "scale", scaled)]
    if slopes is not None:
        tensors_of_ours[_OURS + "slopes"] = slopes
        nodes += [("MatMul", inputs[0], _OURS + "slopes", moved), ("Add", scaled, moved, both)]
    nodes.append(("Add", nodes[-1][-1], _OURS + "offsets", fitted))
    kept = [_field(number, value) for number, value in parts if number != _OUTPUT]
    assert isinstance(outputs[0], memoryview)
    form = [(_NAME, fitted.encode())] + [(n, v) for n, v in fields(outputs[0], path) if n != _NAME]
    added = [
        _field(_NODE, _message((1, a.encode()), (1, b.encode()), (2, to.encode()), (4, operator.encode())))
        for operator, a, b, to in nodes
    ]
    added += [_field(_TENSOR, _tensor(name.encode(), value)) for name, value in tensors_of_ours.items()]
    return b"".join([*kept, *added, _field(_OUTPUT, _message(*form))])


def _tensor(name: bytes, values: NDArray[np.float64]) -> bytes:
    array = np.asarray(values, "<f4")
    dims = [(1, size) for size in array.shape]
    return _message(*dims, (2, _FLOAT32), (8, name), (9, array.tobytes()))


def _text(message: memoryview | int, path: Path, number: int) -> str:
    assert isinstance(message, memoryview)
    found = next((value for of, value in fields(message, path) if of == number), b"")
    return bytes(found).decode() if not isinstance(found, int) else ""


def _message(*parts: tuple[int, bytes | memoryview | int]) -> bytes:
    return b"".join(_field(number, value) for number, value in parts)


def _field(number: int, value: bytes | memoryview | int) -> bytes:
    """A field of a message: all that models, graphs and what is made here have are numbers and lengths of bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + bytes(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
