from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from proxyset.encoders.multiply_adds import graph_multiply_adds


def test_convolutions_and_products_are_counted() -> None:
    """A 3 × 3 convolution of 3 to 4 channels on 8 × 8 pixels, then a product with a (256, 5) matrix."""
    weights = [
        helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], np.zeros(108)),
        helper.make_tensor("m", TensorProto.FLOAT, [256, 5], np.zeros(1280)),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], weights), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    assert graph_multiply_adds(model.SerializeToString()) == 4 * 64 * 27 + 256 * 5
