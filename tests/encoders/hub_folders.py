"""Folders as the hub has them, small: a table of token vectors as a network of texts, a 1 × 1 convolution as one of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, load_model_from_string, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from tests.encoders.test_onnx import linear_model

WORDS = [
    *(
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "query",
        ":",
        "the",
        "cat",
        "dog",
        "tax",
        "report",
        "heart",
        "ward",
        "Köln",
    ),
    *("of", "12", "3.5", "lung", "and", "without"),
]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)
POOLING = {"word_embedding_dimension": 6, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
MODULES = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in
           (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))]  # fmt: skip
PICTURES = {
    "do_resize": True, "size": {"shortest_edge": 10}, "resample": 3, "do_center_crop": True,
    "crop_size": {"height": 6, "width": 8},
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4],
}  # fmt: skip


def network(output: str = "last_hidden_state", masked: bool = True, neighbours: bool = False) -> bytes:
    """Token ids → their vectors; or the sum of them, called `output`. `neighbours`: scaled by what stands beside them."""
    names = ["input_ids", "attention_mask"] if masked else ["input_ids"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"]) for name in names]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["tokens"])]
    last = "tokens"
    if neighbours:
        nodes.append(helper.make_node("DynamicQuantizeLinear", ["tokens"], ["q", "scale", "zero"]))
        nodes.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["rough"]))
        last = "rough"
    if output == "last_hidden_state":
        nodes.append(helper.make_node("Identity", [last], [output]))
        shape: list[Any] = ["n", "t", 6]
    else:
        nodes.append(helper.make_node("ReduceSum", [last, "axis"], [output], keepdims=0))
        shape = ["n", 6]
    graph = helper.make_graph(
        nodes, "g", inputs, [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(TABLE, "table"), numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def put(folder: Path, files: dict[str, Any]) -> Path:
    """Write files, JSON where they are no bytes; what is None is left out."""
    for name, content in files.items():
        if content is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(
                content if isinstance(content, bytes) else json.dumps(content).encode()
            )
    return folder


def text_folder(folder: Path, **changes: Any) -> Path:
    """A folder of texts, laid out as by sentence-transformers and optimum."""
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    tokenizer.enable_padding(length=12)  # as real ones have it, for other programs
    files: dict[str, Any] = {
        "onnx/model.onnx": network(),
        "tokenizer.json": tokenizer.to_str().encode(),
        "tokenizer_config.json": {"model_max_length": 512, "pad_token": "[PAD]"},
        "sentence_bert_config.json": {"max_seq_length": 9, "do_lower_case": False},
        "modules.json": MODULES,
        "1_Pooling/config.json": POOLING,
    }
    return put(
        folder,
        files | {name.replace("__", "/").replace("_json", ".json"): value for name, value in changes.items()},
    )


def pictures_network() -> bytes:
    """A 1 × 1 convolution of pictures, and the mean of what it gives."""
    made = load_model_from_string(linear_model(output="pooled"))
    made.graph.node[-1].output[0] = made.graph.output[0].name = "pooler_output"
    return bytes(made.SerializeToString())


def picture_folder(folder: Path, **changes: Any) -> Path:
    """A folder of pictures, as by onnx-community."""
    files = {"onnx/model.onnx": pictures_network(), "preprocessor_config.json": PICTURES | changes}
    return put(folder, files | {"config.json": {"model_type": "resnet"}})
