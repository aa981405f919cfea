"""The models: small CNNs, image models of timm, encoder folders to be trained further, and a linear head on frozen embeddings.

Every model is a `Classifier`: the preprocessing is inside, so what is exported takes plain pixels in [0, 1].
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proxyset.encoders.onnx_recipe import read_recipe
from proxyset.encoders.timm_network import timm_network
from proxyset.errors import InvalidInput, needing
from proxyset.fingerprint import fingerprint
from proxyset.train.onnx_graph import Trainable

_CNN = re.compile(r"cnn-([1-9][0-9]{0,3})")


class Classifier(nn.Module):
    """logits = head(body((x − mean) / std)).

    Attributes:
        body: from normalised input to (n, d) features.
        head: from features to (n, K) logits.
        shape: of one input, (3, S, S) or (d,).
        origin: of the weights before training: "" where a seed says all of them, else what names them.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        head: nn.Module,
        mean: Tensor,
        std: Tensor,
        shape: tuple[int, ...],
        origin: str = "",
    ) -> None:
        super().__init__()
        self.body, self.head, self.shape, self.origin = body, head, shape, origin
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def features(self, x: Tensor) -> Tensor:
        """(n, d) features of float32 input (n, *shape)."""
        found: Tensor = self.body((x - self.mean) / self.std)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(n, K) logits of float32 input (n, *shape)."""
        logits: Tensor = self.head(self.features(x))
        return logits


def build_model(
    name: str, classes: int, channels: int = 3, size: int = 32, weights: str | None = None
) -> Classifier:
    """An image classifier to be trained. Its head is new; its body has the weights that `weights` says.

    New weights come from torch's global generator: seed it (the training functions do not).

    Args:
        name: "cnn-W" for a CNN whose first layer has W filters ("cnn-8", "cnn-16", "cnn-32" … multiply-adds grow with W²), of
            which nobody publishes weights; "timm:NAME" for any image model of timm; "onnx:FOLDER" for an encoder folder, all of
            which is trained further.
        classes: K ≥ 2.
        channels: of the input; 3 for all but CNNs.
        size: side of the square input, pixels, at least 8.
        weights: of timm's models: a file, "hub" or "random" (`encoders.timm_network`). None for the others, which need no saying.

    Raises:
        InvalidInput: an unknown name, or weights, a size or number of classes that cannot work.
        InvalidData: a damaged encoder folder.
        MissingExtra: timm is not installed.
    """
    if classes < 2:
        raise InvalidInput(f"a classifier needs at least two classes; there is {classes}")
    if size < 8:
        raise InvalidInput(f"images must be at least 8 pixels wide; the size asked for is {size}")
    if weights not in (None, "random") and not name.startswith("timm:"):
        raise InvalidInput(
            f"weights are chosen for models of timm; {name} has none to choose from, so leave out {weights}"
        )
    if match := _CNN.fullmatch(name):
        width = int(match[1])
        centre = torch.full((1, channels, 1, 1), 0.5)
        body, head = _cnn(width, channels), nn.Linear(4 * width, classes)
        return Classifier(body, head, centre, centre / 2, (channels, size, size))
    if name.startswith("timm:"):
        return _timm(name.removeprefix("timm:"), classes, size, weights)
    if name.startswith("onnx:"):
        return _encoder(Path(name.removeprefix("onnx:")), classes, size)
    raise InvalidInput(f"unknown model {name!r}: choose cnn-8, cnn-16, cnn-32 …, timm:NAME or onnx:FOLDER")


def usual_size(name: str) -> int:
    """The side of the square input that a model was made for, pixels; 32 for the CNNs, which take any.

    Raises:
        InvalidInput: timm does not know the name. InvalidData: a damaged encoder folder. MissingExtra: timm is not installed.
    """
    if name.startswith("onnx:"):
        return min(read_recipe(Path(name.removeprefix("onnx:"))).input.size)
    if name.startswith("timm:"):
        with needing("timm", "timm's models"):
            import timm
        config = timm.get_pretrained_cfg(name.removeprefix("timm:"))
        if config is None and not timm.is_model(name.removeprefix("timm:")):
            raise InvalidInput(f"timm has no model {name.removeprefix('timm:')!r}")
        return int(config.input_size[-1]) if config else 224
    return 32


def linear_model(X: NDArray[np.float32], classes: int) -> Classifier:
    """An untrained linear head on frozen embeddings, which it standardises.

    Args:
        X: (n, d) the training embeddings.
        classes: K ≥ 2.
    """
    if classes < 2:
        raise InvalidInput(f"a classifier needs at least two classes; there is {classes}")
    std = np.maximum(X.std(axis=0, keepdims=True), 1e-6)
    head = nn.Linear(X.shape[1], classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    mean = torch.from_numpy(X.mean(axis=0, keepdims=True))
    return Classifier(nn.Identity(), head, mean, torch.from_numpy(std), (X.shape[1],))


def _cnn(width: int, channels: int) -> nn.Module:
    """Four 3×3 convolutions, each but the last followed by halving, then the mean over places."""
    layers: list[nn.Module] = []
    wide = [channels, width, 2 * width, 4 * width, 4 * width]
    for number, (before, after) in enumerate(pairwise(wide)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        if number < 3:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _timm(name: str, classes: int, size: int, weights: str | None) -> Classifier:
    body = timm_network(name, weights)
    import timm

    config = timm.data.resolve_model_data_config(body)
    mean, std = (torch.tensor(config[key]).reshape(1, -1, 1, 1) for key in ("mean", "std"))
    shape = (3, size, size)
    try:
        with torch.inference_mode():
            found = body.eval()(torch.zeros(1, *shape))
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"timm:{name} does not take images of {size} × {size}: {str(error)[:300]}"
        ) from None
    if weights == "random":
        origin = ""
    elif weights == "hub":
        origin = f"timm:{name} of the hub"
    else:
        origin = f"timm:{name}, weights {fingerprint(Path(str(weights)).read_bytes())}"
    return Classifier(body, nn.Linear(found.shape[1], classes), mean, std, shape, origin)


def _encoder(folder: Path, classes: int, size: int) -> Classifier:
    recipe = read_recipe(folder)
    given = recipe.input
    if given.colours == "L":
        raise InvalidInput(
            f"{folder} takes gray pictures, and training is in colour: put a head on it, as an encoder, instead"
        )
    order = [2, 1, 0] if given.colours == "BGR" else [0, 1, 2]
    # a channel of [0, 1] becomes (x · 255 · scale − mean) / std, the colours in the recipe's order
    mean, std = (
        torch.tensor(of)[order].reshape(1, 3, 1, 1) / (255 * given.scale) for of in (given.mean, given.std)
    )
    body = Trainable(folder, recipe)
    return Classifier(body, nn.Linear(recipe.dim, classes), mean, std, (3, size, size), f"onnx {body.sha256}")
