"""Pictures through an ONNX network: bytes of image files in, one vector a picture out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.encoders.ahead import ahead
from proxyset.encoders.encoder import Encoded, checked
from proxyset.encoders.images import pixels
from proxyset.encoders.onnx_recipe import Pooling, Preprocessing, pool
from proxyset.encoders.onnx_session import CPU, open_session
from proxyset.errors import InvalidData

_CHUNK_PIXELS = 32 * 224 * 224  # in the model at once
_MOST_IMAGES = 512  # in the model at once, however small


class PictureNetwork:
    """A network of pictures, ready to run.

    Args:
        weights: the ONNX model.
        path: where it is from, for errors.
        input: how a picture becomes its input.
        output: the output's name; None is the first.
        pooling, dim: of the output; a `dim` of 0 is found out.
        threads: of the network on the processor; None leaves it to ONNX Runtime, which takes all cores.
        provider: as for `onnx_session.open_session`.

    Raises:
        InvalidData: it cannot be loaded or run, or has another shape than is said.
        MissingExtra: onnxruntime is not installed.
    """

    def __init__(
        self,
        weights: bytes,
        path: Path,
        input: Preprocessing,
        output: str | None,
        pooling: Pooling,
        dim: int = 0,
        threads: int | None = None,
        provider: str = CPU,
    ) -> None:
        self.path, self.input, self.pooling = path, input, pooling
        self._session, self._errors = open_session(weights, path, threads, provider)
        inputs, outputs = self._session.get_inputs(), [each.name for each in self._session.get_outputs()]
        if len(inputs) != 1 or not outputs:
            raise InvalidData(f"{path}: the model must have one input (the images) and an output")
        self._name, shape = inputs[0].name, inputs[0].shape
        self._fixed = bool(shape) and isinstance(shape[0], int)
        many = _CHUNK_PIXELS // math.prod(input.size)
        self._batch = int(shape[0]) if self._fixed else min(max(many, 1), _MOST_IMAGES)
        if not 1 <= self._batch <= _MOST_IMAGES:
            raise InvalidData(f"{path}: the model wants {self._batch} images at once, not 1…{_MOST_IMAGES}")
        self.output = output or outputs[0]
        if self.output not in outputs:
            raise InvalidData(f"{path}: the model has no output {self.output!r}; it has {outputs}")
        self.dim = dim or self._found_dim()

    def encode(self, items: Sequence[Any]) -> Encoded:
        """`items`: bytes of image files → (n, dim) float32.

        Raises:
            InvalidData: the network fails while it runs, or its output has the wrong shape.
        """
        X = np.zeros((len(items), self.dim), np.float32)
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
        return checked(X, self.dim, problems)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of framed pixels, in one run of the network.

        Args:
            images: (n, height, width[, 3]) uint8, as `images.pixels` returns them.

        Raises:
            InvalidData: the network fails, or its output has the wrong shape.
        """
        n = len(images)
        return pool(self._run(images), self.pooling, self.dim)[:n]

    def output_shape(self) -> tuple[int, ...]:
        """Of the network's output for one image, before pooling."""
        return tuple(int(side) for side in self._run(self._blank()).shape)

    def _blank(self) -> NDArray[np.uint8]:
        depth = () if self.input.colours == "L" else (3,)
        return np.zeros((self._batch if self._fixed else 1, *self.input.size, *depth), np.uint8)

    def _run(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        n = len(images)
        if self._fixed and n < self._batch:
            images = np.concatenate([images, np.zeros((self._batch - n, *images.shape[1:]), np.uint8)])
        try:
            found = self._session.run([self.output], {self._name: self.input.prepare(images)})[0]
        except self._errors as error:
            raise InvalidData(f"{self.path}: the model cannot be run: {str(error)[:500]}") from None
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or len(found) != len(images):
            raise InvalidData(f"{self.path}: output {self.output!r} is not one row of floats an image")
        return found

    def _found_dim(self) -> int:
        shape = self.output_shape()
        if self.pooling == "none" or len(shape) < 3:
            return math.prod(shape[1:])
        return int(shape[1] if len(shape) == 4 and self.input.layout == "NCHW" else shape[-1])

    def _pixels(self, items: Sequence[Any]) -> tuple[NDArray[np.uint8], dict[int, str]]:
        return pixels(items, self.input)
