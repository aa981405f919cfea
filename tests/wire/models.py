"""Small real models, made with onnx, and their cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from nacl.signing import SigningKey
from onnx import TensorProto, helper, numpy_helper

from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.fingerprint import fingerprint
from proxyset.wire.lineage import PUBLIC as PUBLIC_DATA
from proxyset.wire.model import Features, Model, ModelCard, Pictures
from proxyset.wire.signing import public_half

KEY = SigningKey(b"k" * 32)
OTHER = SigningKey(b"o" * 32)
PUBLIC = public_half(KEY)
W = np.eye(3, 2)


def linear(W: np.ndarray, nodes: list[onnx.NodeProto] | None = None, **options) -> bytes:  # type: ignore[no-untyped-def]
    """x (n, d) → x W (n, K), or with nodes of one's own between "x" and "y"."""
    d, K = W.shape
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", d])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", K])
    weights = numpy_helper.from_array(W.astype(np.float32), "W")
    graph = helper.make_graph(
        nodes or [helper.make_node("MatMul", ["x", "W"], ["y"])], "g", [x], [y], [weights]
    )
    opsets = [helper.make_opsetid("", 17), *options.pop("opsets", [])]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8, **options)
    return bytes(made.SerializeToString())


def brightness() -> bytes:
    """Pictures (n, 1, 4, 4) in 0…1 → logits of "dark" and "light"."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    W = np.stack([-np.ones(16), np.ones(16)], axis=1).astype(np.float32)
    tensors = [numpy_helper.from_array(W, "W"), numpy_helper.from_array(np.float32([8, -8]), "b")]
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "W", "b"], ["y"])]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def card_of(onnx_bytes: bytes, dim: int = 3, **changes) -> ModelCard:  # type: ignore[no-untyped-def]
    fields = {
        "name": "test",
        "classes": ["a", "b"],
        "input": Features(encoder=EncoderSpec(name="embeddings", dim=dim)),
        "lineage": PUBLIC_DATA,
        "sha256": fingerprint(onnx_bytes),
        "bytes": len(onnx_bytes),
        "licence": "CC0",
    }
    return ModelCard(**(fields | changes))


def model(key: SigningKey = KEY, seed: int = 0) -> Model:
    """A linear model on three features."""
    data = linear(np.random.default_rng(seed).normal(size=(3, 2)))
    return Model.sign(card_of(data), data, key)


def picture_model() -> Model:
    data = brightness()
    how = Preprocessing(size=(4, 4), colours="L", scale=1 / 255, mean=[0.0], std=[1.0])
    return Model.sign(card_of(data, classes=["dark", "light"], input=Pictures(preprocessing=how)), data, KEY)


def unsigned(folder: Path, data: bytes, card: ModelCard) -> Path:
    """A model folder as training leaves it."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(data)
    (folder / "card.json").write_text(card.model_dump_json())
    return folder
