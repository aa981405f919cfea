"""Image features by any ONNX model: a folder with `model.onnx` and `encoder.json`.

`encoder.json` (class `Recipe`) says how pixels become the model's input and which output is the feature; it also
carries the features of one fixed picture, which are computed again whenever the folder is loaded. ONNX Runtime runs
the model on the processor or, where its build can, on a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from proxyset.encoders import selftest
from proxyset.encoders.encoder import Encoded, EncoderSpec, checked
from proxyset.encoders.images import PIPELINE, Framing, pixels
from proxyset.encoders.onnx_file import refuse_external_data
from proxyset.errors import InvalidData, MissingExtra
from proxyset.fingerprint import fingerprint

MODEL = "model.onnx"
RECIPE = "encoder.json"
Pooling = Literal["none", "mean", "cls"]
LARGEST_MODEL = 2**31 - 1  # bytes; protobuf's own limit for one file

_CHUNK = 32  # images in the model at once
# In order of preference. Providers that compute elsewhere (Azure) are left out: private images stay on the machine.
_PROVIDERS = (
    "CUDAExecutionProvider",
    "ROCMExecutionProvider",
    "MIGraphXExecutionProvider",
    "DmlExecutionProvider",
    "CPUExecutionProvider",
)


class SelfTest(BaseModel):
    """The features of `selftest.picture()` that the exporter computed with the original model."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    picture: Literal["rings/1"] = selftest.PICTURE
    expected: list[float] = Field(min_length=1)


class Preprocessing(Framing):
    """From image files to the model's input: framed pixels, then (pixel · scale − mean) / std by channel.

    Attributes:
        scale, mean, std: mean and std have one number a channel, in the order of `colours`.
        layout: (n, height, width, channels) or (n, channels, height, width).
        dtype: "uint8" takes the pixels as they are.
    """

    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    mean: list[float] = [0.0, 0.0, 0.0]
    std: list[float] = [1.0, 1.0, 1.0]
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
        if self.dtype != "uint8":
            std = np.array(self.std)
            X = X.astype(np.float32)
            X *= (self.scale / std).astype(np.float32)
            X -= (np.array(self.mean) / std).astype(np.float32)
            X = X.astype(self.dtype, copy=False)
        return np.ascontiguousarray(X.transpose(0, 3, 1, 2)) if self.layout == "NCHW" else X


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
        raise InvalidData(f"the model's output has shape {shape}; pooling {pooling!r} should give {dim} features")
    return output.astype(np.float32, copy=False)


class OnnxEncoder:
    """Features by ONNX Runtime.

    Args:
        folder: holds `model.onnx`, one file without external data, and `encoder.json`.

    Raises:
        InvalidData: a file is missing, damaged, malicious or does not fit the other.
        EncoderMismatch: this machine computes other features than the exporter did (see `selftest`).
        MissingExtra: onnxruntime is not installed.
    """

    kind = "image"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.recipe = read_recipe(self.folder)
        weights = _read(self.folder / MODEL, LARGEST_MODEL)
        self._sha256 = fingerprint(weights)
        self._session, self._errors = _session(weights, self.folder)
        inputs, outputs = self._session.get_inputs(), [output.name for output in self._session.get_outputs()]
        if len(inputs) != 1 or not outputs:
            raise InvalidData(f"{self.folder}: the model must have one input (the images) and an output")
        self._input = inputs[0].name
        first = inputs[0].shape[0] if inputs[0].shape else None
        self._batch = first if isinstance(first, int) and first > 0 else None  # None: any number of images
        self._output = self.recipe.output or outputs[0]
        if self._output not in outputs:
            raise InvalidData(f"{self.folder}: the model has no output {self._output!r}; it has {outputs}")
        tested = self.encode([selftest.picture()])
        if tested.problems:
            raise InvalidData(f"{self.folder}: the self-test's picture cannot be encoded: {tested.problems[0]}")
        selftest.compare(
            tested.embeddings[0], self.recipe.self_test.expected, self.recipe.tolerance, str(self.folder)
        )

    def __reduce__(self) -> tuple[type[OnnxEncoder], tuple[Path]]:
        """A session cannot travel to another process; the folder's name can."""
        return OnnxEncoder, (self.folder,)

    @property
    def spec(self) -> EncoderSpec:
        params = self.recipe.model_dump(mode="json", exclude={"self_test", "origin", "dim"})
        return EncoderSpec(
            name="onnx", dim=self.recipe.dim, params=params | {"weights_sha256": self._sha256, "images": PIPELINE}
        )

    def encode(self, items: Sequence[Any]) -> Encoded:
        """`items`: bytes of image files → (n, dim) float32.

        Raises:
            InvalidData: the model fails while it runs, or its output has the wrong shape.
        """
        X = np.zeros((len(items), self.recipe.dim), np.float32)
        problems: dict[int, str] = {}
        step = self._batch or _CHUNK
        for start in range(0, len(items), step):
            chunk = items[start : start + step]
            images, wrong = pixels(chunk, self.recipe.input)
            problems |= {start + row: problem for row, problem in wrong.items()}
            if len(wrong) < len(chunk):
                X[start : start + len(chunk)] = self.features(images)
        X[list(problems)] = 0
        return checked(X, self.recipe.dim, problems)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of framed pixels, in one run of the model.

        Args:
            images: (n, height, width[, 3]) uint8, as `images.pixels` returns them; n at most what the model takes.

        Raises:
            InvalidData: the model fails, or its output has the wrong shape.
        """
        n = len(images)
        if self._batch is not None:
            images = np.concatenate([images, np.zeros((self._batch - n, *images.shape[1:]), np.uint8)])
        try:
            output = self._session.run([self._output], {self._input: self.recipe.input.prepare(images)})[0]
        except self._errors as error:
            raise InvalidData(f"{self.folder}: the model cannot be run: {str(error)[:500]}") from None
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or len(output) != len(images):
            raise InvalidData(f"{self.folder}: output {self._output!r} is not one row of floats an image")
        return pool(output, self.recipe.pooling, self.recipe.dim)[:n]


def read_recipe(folder: Path) -> Recipe:
    """Read and validate `encoder.json`.

    Raises:
        InvalidData: missing, or not a valid recipe.
    """
    data = _read(folder / RECIPE, 64 << 20)
    try:
        return Recipe.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidData(f"{folder / RECIPE}: {where}: {first['msg'].removeprefix('Value error, ')}") from None


def _read(path: Path, limit: int) -> bytes:
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


def _session(weights: bytes, folder: Path) -> tuple[Any, tuple[type[Exception], ...]]:
    """A session and the errors that ONNX Runtime raises, which have no common base but Exception."""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError:
        raise MissingExtra("onnxruntime", "onnx", "ONNX encoders") from None
    refuse_external_data(weights, folder / MODEL)
    names = ("EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NotImplemented")
    errors = (*(getattr(state, name) for name in names), state.RuntimeException, ValueError, RuntimeError)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in _PROVIDERS if provider in available]
    try:
        return onnxruntime.InferenceSession(weights, options, providers=providers), errors
    except errors as error:
        raise InvalidData(f"{folder / MODEL} cannot be loaded: {str(error)[:500]}") from None
