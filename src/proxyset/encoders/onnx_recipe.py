"""`encoder.json`: what goes into an ONNX model and what is taken out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from proxyset.encoders import selftest
from proxyset.encoders.images import Framing
from proxyset.errors import InvalidData, first_problem

MODEL = "model.onnx"
RECIPE = "encoder.json"

Pooling = Literal["none", "mean", "cls"]


class SelfTest(BaseModel):
    """The features of `selftest.picture()`, which is "waves/1", as the exporter's original model has them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    picture: Literal["waves/1"] = "waves/1"
    expected: list[float] = Field(min_length=1)


class Preprocessing(Framing):
    """From image files to the model's input: framed pixels, then (pixel · scale − mean) / std by channel.

    Attributes:
        scale, mean, std: mean and std have one number a channel, in the order of `colours`.
        layout: (n, height, width, channels) or (n, channels, height, width).
        dtype: "uint8" takes the pixels as they are.
    """

    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    mean: list[float] = Field(default=[0.0, 0.0, 0.0])
    std: list[float] = Field(default=[1.0, 1.0, 1.0])
    layout: Literal["NHWC", "NCHW"] = "NCHW"
    dtype: Literal["uint8", "float32", "float16"] = "float32"

    @model_validator(mode="after")
    def _per_channel(self) -> Preprocessing:
        channels = 1 if self.colours == "L" else 3
        if not len(self.mean) == len(self.std) == channels:
            raise ValueError(f"mean and std need {channels} numbers each for {self.colours}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and min(self.std) > 0):
            raise ValueError("mean must be finite, std finite and positive")
        if self.dtype == "uint8" and (self.scale, set(self.mean), set(self.std)) != (1, {0.0}, {1.0}):
            raise ValueError("a model that takes uint8 takes pixels as they are: no scale, mean or std")
        return self

    def prepare(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Pixels (n, height, width[, 3]) uint8 → the model's input."""
        X: NDArray[Any] = images[..., None] if images.ndim == 3 else images
        channels_first = self.layout == "NCHW"
        if channels_first:
            X = np.ascontiguousarray(X.transpose(0, 3, 1, 2))
        if self.dtype == "uint8":
            return X
        shape = (-1, 1, 1) if channels_first else (-1,)
        mean, std = np.reshape(self.mean, shape), np.reshape(self.std, shape)
        X = X * (self.scale / std).astype(np.float32)
        X -= (mean / std).astype(np.float32)
        return X.astype(self.dtype, copy=False)


class Recipe(BaseModel):
    """`encoder.json`: what goes into the model and what is taken out.

    Attributes:
        input: the preprocessing.
        output: name of the model's output, or None for the first.
        pooling: "none" for an output (n, d); "mean" over the positions of (n, d, h, w), (n, h, w, d) or
            (n, tokens, d); "cls" for the first token of (n, tokens, d).
        dim: d.
        tolerance: relative, of the self-test (see `selftest`).
        self_test: the expected features.
        origin: where the weights are from and under which licence; for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal["proxyset.encoder/1"] = "proxyset.encoder/1"
    input: Preprocessing
    output: str | None = None
    pooling: Pooling = "none"
    dim: int = Field(ge=1, le=65536)
    tolerance: float = Field(default=selftest.TOLERANCE, gt=0, le=0.1)
    self_test: SelfTest
    origin: str = ""

    @model_validator(mode="after")
    def _whole_self_test(self) -> Recipe:
        if len(self.self_test.expected) != self.dim:
            raise ValueError(f"the self-test has {len(self.self_test.expected)} features, not {self.dim}")
        return self


def pool(output: NDArray[Any], pooling: Pooling, dim: int) -> NDArray[np.float32]:
    """A model's output for n images → (n, dim) float32.

    Raises:
        InvalidData: the output has another shape than `pooling` and `dim` say.
    """
    shape = output.shape
    if pooling == "cls" and output.ndim == 3:
        output = output[:, 0]
    elif pooling == "mean" and output.ndim == 4 and shape[1] == dim:
        output = output.mean(axis=(2, 3), dtype=np.float32)
    elif pooling == "mean" and output.ndim in (3, 4):
        output = output.mean(axis=tuple(range(1, output.ndim - 1)), dtype=np.float32)
    elif pooling == "none" and output.ndim > 2:
        output = output.reshape(shape[0], -1)
    if output.shape != (shape[0], dim):
        raise InvalidData(
            f"the model's output has shape {shape}; pooling {pooling!r} should give {dim} features"
        )
    return output.astype(np.float32, copy=False)


def read_recipe(folder: Path) -> Recipe:
    """Read and validate `encoder.json`.

    Raises:
        InvalidData: missing, or not a valid recipe.
    """
    data = read(folder / RECIPE, 64 << 20)
    try:
        return Recipe.model_validate_json(data)
    except ValidationError as error:
        raise InvalidData(f"{folder / RECIPE}: {first_problem(error, 'the file')}") from None


def read(path: Path, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise InvalidData(f"{path} has {size} bytes, more than the {limit} accepted")
        return path.read_bytes()
    except OSError as error:
        raise InvalidData(
            f"cannot read {path} ({error.strerror}): an ONNX encoder is a folder with {MODEL} and {RECIPE}; "
            "make one with `proxyset encoder export`"
        ) from None
