import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from proxyset.bench.client import graph_multiply_adds, resnet18_multiply_adds


def test_resnet18_is_the_published_number():
    assert resnet18_multiply_adds() == pytest.approx(1.8e9, rel=0.02)  # He et al., table 1


def test_convolutions_and_products_are_counted(tmp_path):
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
    onnx.save(model, str(tmp_path / "model.onnx"))
    assert graph_multiply_adds(tmp_path / "model.onnx") == 4 * 64 * 27 + 256 * 5
