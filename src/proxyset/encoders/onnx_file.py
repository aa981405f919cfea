"""A look into an ONNX file before ONNX Runtime sees it: does it want to read other files, or run more than arithmetic?

A tensor in an ONNX file may say "my values are in that file, at that offset". The name comes from whoever
made the model, so it could be any file of the data owner. An operator may belong to a library outside the standard,
or be a loop that never ends. ONNX files are protocol buffers; the field numbers below are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxyset.errors import InvalidData

# Message → field number → message in that field. Only the ways that lead to a tensor.
_CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_FUNCTIONS = 25  # of a model
_OPERATOR, _DOMAIN = 4, 7  # of a node
_STANDARD = ("", "ai.onnx")
_CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
_DEEPEST = 64  # nested graphs of real models: three or four


def refuse_external_data(model: bytes, path: object) -> None:
    """Raise unless the file is a well-formed protocol buffer whose tensors all hold their own values.

    Raises:
        InvalidData: it points to another file, is cut off, or is no ONNX model.
    """
    for message, number, value in _parts(model, path):
        if message == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
            raise InvalidData(
                f"{path} keeps weights in another file, which is not accepted: save the model as one"
            )


def refuse_foreign_operators(model: bytes, path: object) -> None:
    """Raise unless every operator is of the ONNX standard and the graph runs straight through.

    Raises:
        InvalidData: it has an operator of another domain, functions of its own, a branch or a loop, is cut off, or is no
            ONNX model.
    """
    for message, number, value in _parts(model, path):
        if message == "model" and number == _FUNCTIONS:
            raise InvalidData(f"{path} defines operators of its own, which is not accepted")
        if message != "node" or not isinstance(value, memoryview):
            continue
        name = bytes(value).decode(errors="replace")[:100]
        if number == _DOMAIN and name not in _STANDARD:
            raise InvalidData(
                f"{path} uses an operator of {name!r}; only those of the ONNX standard are accepted: export it without"
            )
        if number == _OPERATOR and name in _CONTROL_FLOW:
            raise InvalidData(
                f"{path} has the operator {name}, with which a model may run forever: export it without branches and loops"
            )


def operators(model: bytes, path: object) -> list[str]:
    """The names of all operators in the file, each once. Raises InvalidData as above."""
    return sorted(
        {
            bytes(value).decode(errors="replace")
            for message, number, value in _parts(model, path)
            if message == "node" and number == _OPERATOR and isinstance(value, memoryview)
        }
    )


def _parts(model: bytes, path: object) -> Iterator[tuple[str, int, memoryview | int]]:
    """Every field on a way to a tensor: its message, number and value. Raises InvalidData for what is no ONNX model."""
    waiting = [(memoryview(model), "model", 0)]
    while waiting:
        data, message, depth = waiting.pop()
        if depth > _DEEPEST:
            raise InvalidData(f"{path} is no usable ONNX model: graphs are nested more than {_DEEPEST} deep")
        for number, value in fields(data, path):
            yield message, number, value
            child = _CHILDREN.get(message, {}).get(number)
            if child and isinstance(value, memoryview):
                waiting.append((value, child, depth + 1))


def fields(data: memoryview, path: object) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of one message: number and value (bytes for strings and messages).

    Raises:
        InvalidData: it is cut off or no protocol buffer.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at, path)
        wire_type = key & 7
        if wire_type == 0:
            value, at = _varint(data, at, path)
            yield key >> 3, value
            continue
        if wire_type == 2:
            length, at = _varint(data, at, path)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise _malformed(path, f"wire type {wire_type} at byte {at}")
        if at + length > len(data):
            raise _malformed(path, f"a field of {length} bytes where {len(data) - at} are left")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int, path: object) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _malformed(path, "the file ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _malformed(path, "a number of more than ten bytes")


def _malformed(path: object, why: str) -> InvalidData:
    return InvalidData(f"{path} is cut off, damaged or not an ONNX model: {why}")
