"""A frozen ONNX encoder and the linear head that was trained on its features, as one ONNX file that takes plain pixels.

The encoder's graph is taken over as it is; around it stand what its recipe says of pixels and of pooling, and one matrix for the
head with its standardisation. Nothing is traced, so any encoder that ONNX Runtime runs can be exported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.store import Place, replacing
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.onnx_recipe import MODEL
from proxyset.encoders.onnx_session import open_session
from proxyset.errors import InvalidData, InvalidInput, needing
from proxyset.train.export import AGREEMENT, About
from proxyset.train.models import Classifier

_OURS = "proxyset_head/"  # no other name in the file begins like this


def export_frozen(head: Classifier, encoder: OnnxEncoder, path: Place, about: About) -> float:
    """Write both as ONNX: one input "input", float32 (n, channels, h, w) in [0, 1], framed and in the colours that `about` says;
    one output "logits" (n, K).

    Args:
        head: a linear head on embeddings (`models.linear_model`).
        encoder: that made those embeddings.
        path: of the file.
        about: as `export.about_images` makes it, with the encoder's own framing.

    Returns:
        The largest difference of a logit from encoder and head one after the other, of the largest logit or of 1.

    Raises:
        InvalidInput: the encoder takes a fixed number of images at once, or as many features as the head does not.
        InvalidData: ONNX Runtime computes something else with the two in one file.
        MissingExtra: onnx is not installed.
    """
    with needing("train", "exports to ONNX"):
        import onnx
    weight, bias = _folded(head)
    if weight.shape[1] != encoder.recipe.dim:
        raise InvalidInput(
            f"the head takes {weight.shape[1]} features; the encoder makes {encoder.recipe.dim}"
        )
    model = onnx.load_from_string((encoder.folder / MODEL).read_bytes())
    graph = model.graph
    held = {tensor.name for tensor in graph.initializer}
    given = next(entry for entry in graph.input if entry.name not in held)
    if given.type.tensor_type.shape.dim and given.type.tensor_type.shape.dim[0].HasField("dim_value"):
        raise InvalidInput(
            f"{encoder.folder} takes {given.type.tensor_type.shape.dim[0].dim_value} images at once, no more and no "
            "fewer: export it with an open number of images"
        )
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    before = _before(encoder, given.name)
    after = _after(encoder, encoder.recipe.output or graph.output[0].name, opset, weight, bias)
    nodes = [*before[0], *graph.node, *after[0]]
    initializers = [*graph.initializer, *before[1], *after[1]]
    kept = [entry for entry in graph.input if entry.name != given.name]
    float32, value = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    channels = len(encoder.recipe.input.mean)
    pixels = value("input", float32, ["n", channels, *encoder.recipe.input.size])
    logits = value("logits", float32, ["n", len(bias)])
    for field, entries in (
        (graph.node, nodes),
        (graph.initializer, initializers),
        (graph.input, [pixels, *kept]),
        (graph.output, [logits]),
        (graph.value_info, []),
    ):
        del field[:]
        field.extend(entries)
    model.ir_version = max(model.ir_version, 4)  # from which on an initializer need not be an input, too
    onnx.helper.set_model_props(model, {"proxyset": about.to_json()})
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        return _difference(temporary, encoder, weight, bias)


def _folded(head: Classifier) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(K, d) and (K,): the linear layer of the standardised features, as one of the features themselves."""
    weight, bias = (head.get_parameter(name).detach().cpu().double() for name in ("head.weight", "head.bias"))
    mean, std = (part.cpu().double().reshape(-1) for part in (head.mean, head.std))
    scaled = weight / std
    return scaled.float().numpy(), (bias - scaled @ mean).float().numpy()


Part = tuple[list[Any], list[Any]]  # nodes and initializers


def _before(encoder: OnnxEncoder, name: str) -> Part:
    """From [0, 1] to what the recipe's `prepare` gives of the pixels."""
    from onnx import TensorProto, helper, numpy_helper

    given = encoder.recipe.input
    shape = (1, -1, 1, 1)
    mean, std = (np.reshape(np.array(of), shape) for of in (given.mean, given.std))
    constants = {
        "scale": (255 * given.scale / std).astype(np.float32),
        "shift": (mean / std).astype(np.float32),
    }
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Mul", ["scale"], {}),
        ("Sub", ["shift"], {}),
    ]
    if given.layout == "NHWC":
        steps.append(("Transpose", [], {"perm": [0, 2, 3, 1]}))
    if given.dtype == "uint8":
        steps += [("Round", [], {}), ("Cast", [], {"to": TensorProto.UINT8})]
    if given.dtype == "float16":
        steps.append(("Cast", [], {"to": TensorProto.FLOAT16}))
    nodes, at = [], "input"
    for number, (operator, more, attributes) in enumerate(steps):
        out = name if number == len(steps) - 1 else f"{_OURS}pixels{number}"
        nodes.append(helper.make_node(operator, [at, *(_OURS + of for of in more)], [out], **attributes))
        at = out
    return nodes, [numpy_helper.from_array(value, _OURS + of) for of, value in constants.items()]


def _after(
    encoder: OnnxEncoder, name: str, opset: int, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> Part:
    """From the encoder's output to logits: pooling as `onnx_recipe.pool` does it, and the head."""
    from onnx import TensorProto, helper, numpy_helper

    recipe = encoder.recipe
    constants: dict[str, NDArray[Any]] = {"weight": weight, "bias": bias}
    how: dict[str, Any]
    if recipe.pooling == "none":
        operator, more, how = "Flatten", [], {"axis": 1}
    elif recipe.pooling == "cls":
        constants["first"] = np.array(0, np.int64)
        operator, more, how = "Gather", ["first"], {"axis": 1}
    else:
        shape = encoder.output_shape()
        axes = [2, 3] if len(shape) == 4 and shape[1] == recipe.dim else list(range(1, len(shape) - 1))
        operator, more, how = "ReduceMean", [], {"axes": axes, "keepdims": 0}
        if opset >= 18:
            constants["axes"] = np.array(how.pop("axes"), np.int64)
            more = ["axes"]
    features = [_OURS + "features"]
    nodes = [
        helper.make_node("Cast", [name], [_OURS + "output"], to=TensorProto.FLOAT),
        helper.make_node(operator, [_OURS + of for of in ("output", *more)], features, **how),
        helper.make_node("Gemm", [*features, _OURS + "weight", _OURS + "bias"], ["logits"], transB=1),
    ]
    return nodes, [numpy_helper.from_array(value, _OURS + of) for of, value in constants.items()]


def _difference(
    path: Path, encoder: OnnxEncoder, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> float:
    given = encoder.recipe.input
    depth = () if given.colours == "L" else (3,)
    images = np.random.default_rng(0).integers(0, 256, (3, *given.size, *depth), dtype=np.uint8)
    expected = encoder.features(images) @ weight.T + bias
    x = images[..., None] if given.colours == "L" else images
    session, errors = open_session(path.read_bytes(), path)
    try:
        found = session.run(["logits"], {"input": (x.transpose(0, 3, 1, 2) / 255).astype(np.float32)})[0]
    except errors as error:
        raise InvalidData(
            f"the encoder and its head cannot be run as one model: {str(error)[:500]}"
        ) from None
    worst = float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))
    if not worst <= max(AGREEMENT, _LOOSER[given.dtype]):
        raise InvalidData(
            f"the encoder and its head in one file differ by {worst:.2g} from one after the other"
        )
    return worst


_LOOSER = {"float32": 0.0, "uint8": 0.0, "float16": 1e-2}
