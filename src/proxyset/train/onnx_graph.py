"""The ONNX model of an encoder folder as a network that can be trained further.

Weights become parameters, the operators are PyTorch's. An operator that is not in the table below is refused by its name, and a
network that computes something else than ONNX Runtime is refused, before anything is trained.
Batch normalisation keeps its statistics.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.onnx_recipe import MODEL, Recipe
from proxyset.errors import InvalidInput, needing
from proxyset.fingerprint import fingerprint

_AGREEMENT = 1e-3  # relative; largest difference from ONNX Runtime before training begins
_LEAST_WEIGHTS = 2  # numbers: fewer are constants of the arithmetic, not weights


class Trainable(nn.Module):
    """(n, 3, h, w) float32 RGB, normalised as the recipe says, to (n, d) features.

    Args:
        folder: of the encoder.
        recipe: of that folder.

    Attributes:
        sha256: of the ONNX file.

    Raises:
        InvalidData: the folder is damaged. MissingExtra: onnx is not installed.
        InvalidInput: an operator that cannot be trained here, or the network computes something else than ONNX Runtime.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        super().__init__()
        with needing("train", "training an encoder further"):
            import onnx
        encoder = OnnxEncoder(folder)  # verifies the file before onnx reads it
        data = (folder / MODEL).read_bytes()
        self.sha256 = fingerprint(data)
        self._recipe = recipe
        self._graph = onnx.load_from_string(data).graph
        unknown = sorted({node.op_type for node in self._graph.node} - _OPERATORS.keys())
        if unknown:
            raise InvalidInput(
                f"{folder} cannot be trained further here: nothing is known of its operators {', '.join(unknown)}. Put a "
                "head on it, as an encoder, instead"
            )
        self._constants: dict[str, Tensor] = {}
        self._weights: dict[str, str] = {}
        for number, tensor in enumerate(self._graph.initializer):
            value = _tensor(onnx.numpy_helper.to_array(tensor))
            if value.is_floating_point() and value.numel() >= _LEAST_WEIGHTS:
                self._weights[tensor.name] = f"weight{number}"
                self.register_parameter(f"weight{number}", nn.Parameter(value))
            else:
                self._constants[tensor.name] = value
        self._attributes = [_attributes(node) for node in self._graph.node]
        inputs = [
            entry.name for entry in self._graph.input if entry.name not in self._weights | self._constants
        ]
        self._input, self._output = inputs[0], recipe.output or self._graph.output[0].name
        self._check(encoder, folder)

    def forward(self, x: Tensor) -> Tensor:
        if self._recipe.input.colours == "BGR":
            x = x[:, [2, 1, 0]]
        if self._recipe.input.layout == "NHWC":
            x = x.permute(0, 2, 3, 1)
        values: dict[str, Any] = {"": None, self._input: x, **self._constants}
        values |= {name: self.get_parameter(held) for name, held in self._weights.items()}
        for node, attributes in zip(self._graph.node, self._attributes, strict=True):
            found = _OPERATORS[node.op_type]([values[name] for name in node.input], attributes)
            several = found if isinstance(found, tuple) else (found,)
            values |= dict(zip(node.output, several, strict=False))
        return self._pooled(values[self._output])

    def _pooled(self, output: Tensor) -> Tensor:
        """As `onnx_recipe.pool`."""
        recipe = self._recipe
        if recipe.pooling == "cls":
            return output[:, 0]
        if recipe.pooling == "mean":
            first = output.ndim == 4 and output.shape[1] == recipe.dim
            return output.mean(dim=(2, 3)) if first else output.flatten(1, -2).mean(dim=1)
        return output.flatten(1)

    def _check(self, encoder: OnnxEncoder, folder: Path) -> None:
        given = self._recipe.input
        images = np.random.default_rng(0).integers(0, 256, (2, *given.size, 3), dtype=np.uint8)
        expected = encoder.features(images)
        x = torch.from_numpy(given.prepare(images)).float()
        x = x.permute(0, 3, 1, 2) if given.layout == "NHWC" else x
        x = x[:, [2, 1, 0]] if given.colours == "BGR" else x
        with torch.inference_mode():
            actual = self(x).numpy()
        worst = float(np.abs(actual - expected).max() / max(float(np.abs(expected).max()), 1e-12))
        if actual.shape != expected.shape or not worst <= _AGREEMENT:
            raise InvalidInput(
                f"{folder} cannot be trained further here: PyTorch differs from ONNX Runtime by {worst:.2g}, more than "
                f"{_AGREEMENT:g}. Put a head on it, as an encoder, instead"
            )
        # the export after training traces it, too: a graph that computes with the number of images would then have it fixed
        with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
            traced: Any = torch.jit.trace(self, (x[:1],), check_trace=False)  # type: ignore[no-untyped-call]
            try:
                same = bool(torch.allclose(traced(x), self(x), rtol=1e-3, atol=1e-4))
            except RuntimeError:
                same = False
        if not same:
            raise InvalidInput(
                f"{folder} cannot be trained further here: its graph computes with the number of images, which an export would "
                "fix. Put a head on it, as an encoder, instead"
            )


Inputs = Sequence[Any]
Attributes = dict[str, Any]


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    value = torch.from_numpy(np.array(array))
    return value.float() if value.is_floating_point() else value


def _attributes(node: Any) -> Attributes:
    import onnx

    found = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    return {
        name: _tensor(onnx.numpy_helper.to_array(value)) if isinstance(value, onnx.TensorProto) else value
        for name, value in found.items()
    }


def _padded(x: Tensor, spatial: int, a: Attributes, value: float = 0.0) -> Tensor:
    """`pads` are all beginnings, then all ends."""
    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise InvalidInput("the model pads automatically (auto_pad): export it with explicit pads")
    pads = list(a.get("pads", [0] * 2 * spatial))
    if not any(pads):
        return x
    return F.pad(
        x, [pads[axis + end * spatial] for axis in reversed(range(spatial)) for end in (0, 1)], value=value
    )


def _conv(i: Inputs, a: Attributes) -> Tensor:
    x, weight, *bias = i
    spatial = weight.ndim - 2
    run: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[spatial]
    ones = [1] * spatial
    stride, dilation = a.get("strides", ones), a.get("dilations", ones)
    x = _padded(x, spatial, a)
    found: Tensor = run(x, weight, bias[0] if bias else None, stride, 0, dilation, a.get("group", 1))
    return found


def _pool(i: Inputs, a: Attributes, run: Any, outside: float) -> Tensor:
    if a.get("ceil_mode") or a.get("dilations", [1, 1]) != [1, 1]:
        raise InvalidInput(
            "the model pools with ceil_mode or dilations, which cannot be trained further here"
        )
    if run is F.avg_pool2d and not a.get("count_include_pad") and any(a.get("pads", [])):
        pads = a["pads"]
        if pads[:2] != pads[2:]:
            raise InvalidInput(
                "the model's average pooling is padded unevenly, which cannot be trained further here"
            )
        found: Tensor = F.avg_pool2d(
            i[0], a["kernel_shape"], a.get("strides", [1, 1]), pads[:2], count_include_pad=False
        )
        return found
    pooled: Tensor = run(_padded(i[0], 2, a, outside), a["kernel_shape"], a.get("strides", [1, 1]))
    return pooled


def _gemm(i: Inputs, a: Attributes) -> Tensor:
    left = i[0].T if a.get("transA") else i[0]
    right = i[1].T if a.get("transB") else i[1]
    found: Tensor = a.get("alpha", 1.0) * (left @ right)
    return found + a.get("beta", 1.0) * i[2] if len(i) > 2 and i[2] is not None else found


def _axes(i: Inputs, a: Attributes, at: int = 1) -> list[int] | None:
    """Axes are an attribute in older operator sets, an input in newer ones."""
    given = i[at].tolist() if len(i) > at and i[at] is not None else a.get("axes")
    return None if given is None else list(given)


def _reduced(i: Inputs, a: Attributes) -> Tensor:
    axes = _axes(i, a) or list(range(i[0].ndim))
    return torch.mean(i[0], dim=axes, keepdim=bool(a.get("keepdims", 1)))


def _squeeze(i: Inputs, a: Attributes) -> Tensor:
    axes = _axes(i, a)
    x: Tensor = i[0]
    return x.squeeze() if axes is None else x.squeeze(axes)


def _unsqueeze(i: Inputs, a: Attributes) -> Tensor:
    x: Tensor = i[0]
    for axis in sorted(_axes(i, a) or []):
        x = x.unsqueeze(axis)
    return x


def _reshape(i: Inputs, a: Attributes) -> Tensor:
    x: Tensor = i[0]
    shape = [int(side) for side in x.shape]  # plain numbers, also while this is traced
    sides = [
        shape[at] if side == 0 and not a.get("allowzero") else side for at, side in enumerate(i[1].tolist())
    ]
    if (
        len(sides) > 1 and sides[0] == shape[0]
    ):  # then the number of images stays open when this is exported again
        known = math.prod(side for side in sides if side != -1)
        sides = [-1, *(math.prod(shape) // known if side == -1 else side for side in sides[1:])]
    return x.reshape(sides)


def _slice(i: Inputs, a: Attributes) -> Tensor:
    x: Tensor = i[0]
    starts, ends = i[1].tolist(), i[2].tolist()
    axes = _axes(i, a, 3) or list(range(len(starts)))
    steps = i[4].tolist() if len(i) > 4 and i[4] is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            raise InvalidInput("the model slices backwards, which cannot be trained further here")
        cut = [slice(None)] * x.ndim
        cut[axis] = slice(start, min(end, x.shape[axis]), step)
        x = x[tuple(cut)]
    return x


def _gather(i: Inputs, a: Attributes) -> Tensor:
    x: Tensor = i[0]
    places: Tensor = i[1]
    axis = a.get("axis", 0) % x.ndim
    places = torch.where(places < 0, places + x.shape[axis], places).to(x.device)
    found = x.index_select(axis, places.reshape(-1))
    return found.reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])


def _split(i: Inputs, a: Attributes) -> tuple[Tensor, ...]:
    sizes = i[1].tolist() if len(i) > 1 and i[1] is not None else a.get("split")
    if sizes is None:
        raise InvalidInput(
            "the model splits into parts without saying how large, which cannot be trained further here"
        )
    return torch.split(i[0], sizes, dim=a.get("axis", 0))


def _norm(i: Inputs, a: Attributes) -> Tensor:
    x, scale, shift, mean, variance = i
    return F.batch_norm(x, mean.detach(), variance.detach(), scale, shift, False, 0.0, a.get("epsilon", 1e-5))


def _layer_norm(i: Inputs, a: Attributes) -> Tensor:
    axis = a.get("axis", -1) % i[0].ndim
    bias = i[2] if len(i) > 2 else None
    return F.layer_norm(i[0], i[0].shape[axis:], i[1], bias, a.get("epsilon", 1e-5))


def _clip(i: Inputs, a: Attributes) -> Tensor:
    low = i[1] if len(i) > 1 else a.get("min")
    high = i[2] if len(i) > 2 else a.get("max")
    low, high = (float(side) if isinstance(side, Tensor) else side for side in (low, high))
    return torch.clamp(i[0], low, high)


def _cast(i: Inputs, a: Attributes) -> Tensor:
    """Numbers with a point stay float32, whatever the file kept them in; 6 and 7 are whole numbers, 9 truth."""
    x: Tensor = i[0]
    if a["to"] in (6, 7):
        return x.long()
    return x.bool() if a["to"] == 9 else x.float()


def _pad(i: Inputs, a: Attributes) -> Tensor:
    if a.get("mode", b"constant") != b"constant" or len(i) > 3:
        raise InvalidInput(
            "the model pads with something else than a constant, which cannot be trained further here"
        )
    value = float(i[2]) if len(i) > 2 and i[2] is not None else 0.0
    return _padded(i[0], i[0].ndim, {"pads": i[1].tolist()}, value)


def _unary(run: Callable[[Tensor], Tensor]) -> Callable[[Inputs, Attributes], Tensor]:
    return lambda i, a: run(i[0])


def _binary(run: Callable[[Any, Any], Any]) -> Callable[[Inputs, Attributes], Tensor]:
    return lambda i, a: run(i[0], i[1])


def _div(left: Tensor, right: Tensor) -> Tensor:
    return left / right if left.is_floating_point() else torch.div(left, right, rounding_mode="trunc")


_OPERATORS: dict[str, Callable[[Inputs, Attributes], Any]] = {
    "Add": _binary(lambda x, y: x + y),
    "AveragePool": lambda i, a: _pool(i, a, F.avg_pool2d, 0.0),
    "BatchNormalization": _norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda i, a: torch.cat(tuple(i), dim=a["axis"]),
    "Constant": lambda i, a: a["value"],
    "ConstantOfShape": lambda i, a: a.get("value", torch.zeros(1)).expand(tuple(i[0].tolist())),
    "Conv": _conv,
    "Div": _binary(_div),
    "Dropout": _unary(lambda x: x),
    "Equal": _binary(lambda x, y: x == y),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Expand": lambda i, a: i[0] * torch.ones(tuple(i[1].tolist()), dtype=i[0].dtype, device=i[0].device),
    "Flatten": lambda i, a: i[0].flatten(1) if a.get("axis", 1) == 1 else i[0].flatten(0, a["axis"] - 1).flatten(1),
    "Gather": _gather,
    "Gelu": lambda i, a: F.gelu(i[0], approximate=a.get("approximate", b"none").decode()),
    "Gemm": _gemm,
    "GlobalAveragePool": _unary(lambda x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "HardSigmoid": lambda i, a: torch.clamp(a.get("alpha", 0.2) * i[0] + a.get("beta", 0.5), 0, 1),
    "HardSwish": _unary(F.hardswish),
    "Identity": _unary(lambda x: x),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda i, a: F.leaky_relu(i[0], a.get("alpha", 0.01)),
    "MatMul": _binary(lambda x, y: x @ y),
    "MaxPool": lambda i, a: _pool(i, a, F.max_pool2d, float("-inf")),
    "Mul": _binary(lambda x, y: x * y),
    "Neg": _unary(torch.neg),
    "PRelu": _binary(lambda x, slope: torch.where(x >= 0, x, slope * x)),
    "Pad": _pad,
    "Pow": _binary(lambda x, y: x**y),
    "Reciprocal": _unary(torch.reciprocal),
    "ReduceMean": _reduced,
    "Relu": _unary(F.relu),
    "Reshape": _reshape,
    "Shape": _unary(lambda x: torch.tensor(x.shape)),
    "Sigmoid": _unary(torch.sigmoid),
    "Slice": _slice,
    "Softmax": lambda i, a: F.softmax(i[0], dim=a.get("axis", -1)),
    "Split": _split,
    "Sqrt": _unary(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(lambda x, y: x - y),
    "Tanh": _unary(torch.tanh),
    "Transpose": lambda i, a: i[0].permute(a.get("perm", list(reversed(range(i[0].ndim))))),
    "Unsqueeze": _unsqueeze,
    "Where": lambda i, a: torch.where(i[0], i[1], i[2]),
}  # fmt: skip
