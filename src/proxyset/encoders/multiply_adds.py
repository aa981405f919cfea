"""How much arithmetic an ONNX model is."""

from __future__ import annotations

import numpy as np

from proxyset.errors import needing


def graph_multiply_adds(data: bytes) -> int:
    """Multiply-adds of one item through the convolutions and products of a float32 model, which is run once for its shapes.

    Raises:
        MissingExtra: onnx or onnxruntime is not installed.
    """
    with needing("train", "counts of multiply-adds"):
        import onnx
        import onnxruntime
    model = onnx.load_from_string(data)
    counted = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    asked = {name for node in counted for name in (*node.input[:2], *node.output)} - shapes.keys()
    asked -= {value.name for value in (*model.graph.input, *model.graph.output)}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(asked))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    item = session.get_inputs()[0]
    feed = np.zeros([1, *item.shape[1:]], np.float32)
    outputs = [output.name for output in session.get_outputs()]
    shapes[item.name] = feed.shape
    shapes |= dict(
        zip(outputs, (array.shape for array in session.run(outputs, {item.name: feed})), strict=True)
    )
    total = 0
    for node in counted:
        each = shapes[node.input[1]][1:] if node.op_type == "Conv" else shapes[node.input[0]][-1:]
        total += int(np.prod(shapes[node.output[0]])) * int(np.prod(each))
    return total
