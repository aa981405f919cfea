"""Image features by any ONNX model: a folder with `model.onnx` and `encoder.json`.

`encoder.json` (`onnx_recipe.Recipe`) says how pixels become the model's input and which output is the
feature. It carries the features of one fixed picture, too, which are computed again whenever the folder is
loaded. The model runs on the processor or, where the build of ONNX Runtime can, on a GPU.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.encoders import selftest
from proxyset.encoders.ahead import ahead
from proxyset.encoders.encoder import Encoded, EncoderSpec, checked
from proxyset.encoders.images import PIPELINE, pixels
from proxyset.encoders.onnx_file import refuse_external_data
from proxyset.encoders.onnx_recipe import MODEL, pool, read, read_recipe
from proxyset.errors import InvalidData, MissingExtra
from proxyset.fingerprint import fingerprint

LARGEST_MODEL = 2**31 - 1  # bytes; protobuf's own limit for one file

_CHUNK_PIXELS = 32 * 224 * 224  # in the model at once
_MOST_IMAGES = 512  # in the model at once, however small
# In order of preference. Azure's provider is left out: private images stay on the machine.
_PROVIDERS = (
    "CUDAExecutionProvider",
    "ROCMExecutionProvider",
    "MIGraphXExecutionProvider",
    "DmlExecutionProvider",
    "CPUExecutionProvider",
)


class OnnxEncoder:
    """Features by ONNX Runtime.

    Args:
        folder: holds `model.onnx`, one file without external data, and `encoder.json`.
        threads: of the model on the processor; None leaves it to ONNX Runtime, which takes all cores.

    Raises:
        InvalidData: a file is missing, damaged, malicious or does not fit the other.
        EncoderMismatch: this machine computes other features than the exporter did (see `selftest`).
        MissingExtra: onnxruntime is not installed.
    """

    kind = "image"

    def __init__(self, folder: str | os.PathLike[str], threads: int | None = None) -> None:
        self._threads = threads
        self.folder = Path(folder).absolute()
        self.recipe = read_recipe(self.folder)
        weights = read(self.folder / MODEL, LARGEST_MODEL)
        self._sha256 = fingerprint(weights)
        self._session, self._errors = open_session(weights, self.folder / MODEL, threads)
        inputs, outputs = self._session.get_inputs(), [output.name for output in self._session.get_outputs()]
        if len(inputs) != 1 or not outputs:
            raise InvalidData(f"{self.folder}: the model must have one input (the images) and an output")
        self._input = inputs[0].name
        shape = inputs[0].shape
        self._fixed = bool(shape) and isinstance(shape[0], int)
        many = _CHUNK_PIXELS // math.prod(self.recipe.input.size)
        self._batch = int(shape[0]) if self._fixed else min(max(many, 1), _MOST_IMAGES)
        if not 1 <= self._batch <= _MOST_IMAGES:
            raise InvalidData(
                f"{self.folder}: the model wants {self._batch} images at once, not 1…{_MOST_IMAGES}"
            )
        self._output = self.recipe.output or outputs[0]
        if self._output not in outputs:
            raise InvalidData(f"{self.folder}: the model has no output {self._output!r}; it has {outputs}")
        tested = self.encode([selftest.picture()])
        if tested.problems:
            raise InvalidData(
                f"{self.folder}: the self-test's picture cannot be encoded: {tested.problems[0]}"
            )
        selftest.compare(
            tested.embeddings[0], self.recipe.self_test.expected, self.recipe.tolerance, str(self.folder)
        )

    def __reduce__(self) -> tuple[type[OnnxEncoder], tuple[Path, int | None]]:
        """A session cannot travel to another process; the folder's name can."""
        return OnnxEncoder, (self.folder, self._threads)

    @property
    def spec(self) -> EncoderSpec:
        params = self.recipe.model_dump(mode="json", exclude={"self_test", "origin", "dim"})
        return EncoderSpec(
            name="onnx",
            dim=self.recipe.dim,
            params=params | {"weights_sha256": self._sha256, "images": PIPELINE},
        )

    def encode(self, items: Sequence[Any]) -> Encoded:
        """`items`: bytes of image files → (n, dim) float32.

        Raises:
            InvalidData: the model fails while it runs, or its output has the wrong shape.
        """
        X = np.zeros((len(items), self.recipe.dim), np.float32)
        problems: dict[int, str] = {}
        starts = range(0, len(items), self._batch)
        chunks = (items[start : start + self._batch] for start in starts)
        # decoding runs beside the model; one chunk alone needs no threads
        decoded = map(self._pixels, chunks) if len(starts) == 1 else ahead(self._pixels, chunks)
        for start, (images, wrong) in zip(starts, decoded, strict=True):
            problems |= {start + row: problem for row, problem in wrong.items()}
            if len(wrong) < len(images):
                X[start : start + len(images)] = self.features(images)
        X[list(problems)] = 0
        return checked(X, self.recipe.dim, problems)

    def _pixels(self, items: Sequence[Any]) -> tuple[NDArray[np.uint8], dict[int, str]]:
        return pixels(items, self.recipe.input)

    def output_shape(self) -> tuple[int, ...]:
        """Of the model's output for one image, before pooling."""
        depth = () if self.recipe.input.colours == "L" else (3,)
        blank = np.zeros((self._batch if self._fixed else 1, *self.recipe.input.size, *depth), np.uint8)
        found = self._session.run([self._output], {self._input: self.recipe.input.prepare(blank)})[0]
        return tuple(int(side) for side in found.shape)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of framed pixels, in one run of the model.

        Args:
            images: (n, height, width[, 3]) uint8, as `images.pixels` returns them.

        Raises:
            InvalidData: the model fails, or its output has the wrong shape.
        """
        n = len(images)
        if self._fixed and n < self._batch:
            images = np.concatenate([images, np.zeros((self._batch - n, *images.shape[1:]), np.uint8)])
        try:
            output = self._session.run([self._output], {self._input: self.recipe.input.prepare(images)})[0]
        except self._errors as error:
            raise InvalidData(f"{self.folder}: the model cannot be run: {str(error)[:500]}") from None
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or len(output) != len(images):
            raise InvalidData(f"{self.folder}: output {self._output!r} is not one row of floats an image")
        return pool(output, self.recipe.pooling, self.recipe.dim)[:n]


def open_session(
    weights: bytes, path: Path, threads: int | None = None
) -> tuple[Any, tuple[type[Exception], ...]]:
    """A session of ONNX Runtime, and the errors that it raises, which have no common base but Exception.

    Args:
        weights: the model. What keeps its weights in other files is refused before ONNX Runtime sees it.
        path: where it is from, for errors.
        threads: as for `OnnxEncoder`.

    Raises:
        InvalidData: it is damaged, malicious, or nothing that ONNX Runtime can load.
        MissingExtra: onnxruntime is not installed.
    """
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError:
        raise MissingExtra("onnxruntime", "onnx", "ONNX models") from None
    refuse_external_data(weights, path)
    errors = (
        state.EPFail, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf,
        state.NoModel, state.NotFound, state.NotImplemented, state.RuntimeException, ValueError, RuntimeError,
        MemoryError,
    )  # fmt: skip
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 4  # what goes wrong is raised
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads cost 40 % more
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in _PROVIDERS if provider in available]
    try:
        return onnxruntime.InferenceSession(weights, options, providers=providers), errors
    except errors as error:
        raise InvalidData(f"{path} cannot be loaded: {str(error)[:500]}") from None
