"""Histograms of oriented gradients: the paper's features for Digits (Dalal and Triggs, CVPR 2005)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxyset.encoders import selftest
from proxyset.encoders.encoder import Encoded, EncoderSpec, checked
from proxyset.encoders.images import PIPELINE, Framing, Interpolation, pixels
from proxyset.errors import needing


class HogParams(BaseModel):
    """Parameters of the features; the defaults give the paper's 72 for Digits.

    Attributes:
        size: side of the square gray image, pixels; the aspect ratio is not kept.
        orientations: number of unsigned directions.
        cell: side of a cell, pixels.
        block: side of a block, cells. Blocks lie one cell apart, so they overlap.
        norm: every block is divided by its L2 norm.
        interpolation: of the resizing.
        images: version of the decoding steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: int = Field(default=28, ge=4, le=512)
    orientations: int = Field(default=8, ge=1, le=64)
    cell: int = Field(default=8, ge=2, le=256)
    block: int = Field(default=3, ge=1, le=16)
    norm: Literal["L2"] = "L2"
    interpolation: Interpolation = "bilinear"
    images: int = Field(default=PIPELINE, ge=PIPELINE, le=PIPELINE)

    @model_validator(mode="after")
    def _feasible(self) -> HogParams:
        if self.size // self.cell < self.block:
            raise ValueError(
                f"{self.size} pixels hold {self.size // self.cell} cells of {self.cell}, "
                f"too few for a block of {self.block}"
            )
        if self.dim > 65536:
            raise ValueError(f"these would be {self.dim} features, more than 65536: take larger cells")
        return self

    @property
    def dim(self) -> int:
        blocks = self.size // self.cell - self.block + 1
        return blocks**2 * self.block**2 * self.orientations


class HogEncoder:
    """HOG of gray images in [0, 1]. An image without any edge has the zero vector.

    Raises:
        MissingExtra: scikit-image is not installed.
        EncoderMismatch: this machine's scikit-image or Pillow computes other features (see `selftest`).
    """

    kind = "image"

    def __init__(self, params: HogParams | None = None) -> None:
        self.params = params or HogParams()
        features = _features([selftest.picture()], HogParams()).embeddings[0]
        selftest.compare(features[::3], _SELF_TEST, selftest.TOLERANCE, "HOG")

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(name="hog", dim=self.params.dim, params=self.params.model_dump(mode="json"))

    def encode(self, items: Sequence[Any]) -> Encoded:
        """`items`: bytes of image files → (n, dim) float32."""
        return _features(items, self.params)


def _features(items: Sequence[Any], params: HogParams) -> Encoded:
    with needing("hog", "HOG features"):
        from skimage.feature import hog
    framing = Framing(size=(params.size, params.size), interpolation=params.interpolation, colours="L")
    images, problems = pixels(items, framing)
    X = np.zeros((len(items), params.dim), np.float32)
    for row, image in enumerate(images):
        if row not in problems:
            X[row] = hog(
                image / 255.0,
                orientations=params.orientations,
                pixels_per_cell=(params.cell, params.cell),
                cells_per_block=(params.block, params.block),
                block_norm=params.norm,
            )
    return checked(X, params.dim, problems)


# Every third feature of `selftest.picture()` with the default parameters.
_SELF_TEST = (
    0.0477, 0.0000, 0.1539, 0.0081, 0.0246, 0.1293, 0.0000, 0.0161, 0.2310, 0.0144, 0.0476, 0.0166,
    0.0675, 0.1104, 0.0122, 0.1335, 0.0508, 0.0181, 0.0985, 0.0067, 0.0189, 0.3482, 0.0023, 0.0177,
)  # fmt: skip
