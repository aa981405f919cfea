"""Which student fits: the largest of a family of CNNs within a budget of bytes or of multiply-adds."""

from __future__ import annotations

import tempfile
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from proxyset.encoders.multiply_adds import graph_multiply_adds
from proxyset.errors import InvalidInput
from proxyset.train.dataset import framing
from proxyset.train.export import about_images, export_onnx
from proxyset.train.models import build_model
from proxyset.train.quantise import quantise
from proxyset.wire.lineage import UNKNOWN, Lineage

Precision = Literal["float32", "int8"]
WIDTHS = (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128)
_ZERO_POINTS = 16  # of activations; the CNNs have 11
FAMILY = tuple(f"cnn-{width}" for width in WIDTHS)


@dataclass(frozen=True)
class Size:
    """What a model weighs.

    Attributes:
        bytes: of its ONNX file.
        multiply_adds: of one image.
    """

    bytes: int
    multiply_adds: int


@dataclass(frozen=True)
class Budget:
    """What the student may weigh. Without a limit a student has to be named.

    Attributes:
        max_bytes: of the ONNX file in `precision`.
        max_multiply_adds: of one image.
        precision: of the file that has to fit.
    """

    max_bytes: int | None = None
    max_multiply_adds: int | None = None
    precision: Precision = "int8"

    def exceeded_by(self, size: Size) -> str | None:
        """What of a size is over the limits, in words; None where nothing is."""
        limits = (
            ("bytes", size.bytes, self.max_bytes),
            ("multiply-adds", size.multiply_adds, self.max_multiply_adds),
        )
        for what, found, allowed in limits:
            if allowed is not None and found > allowed:
                return f"{found:,} {what}, more than the {allowed:,} allowed"
        return None


def size_of(
    name: str, classes: Sequence[str], side: int, precision: Precision, lineage: Lineage = UNKNOWN
) -> Size:
    """The size of a model: it is built with random numbers, exported and quantised, and its file is weighed.

    What it has seen (`lineage`) is in its file, and weighs something, too. An int8 file's zero points take a byte or two
    each; the size allows for two.

    Raises:
        InvalidInput: an unknown name, or fewer than two classes.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(name, len(classes), size=side).eval()
        for (
            parameter
        ) in model.parameters():  # the exporter writes equal tensors once, and trained ones never are
            torch.nn.init.normal_(parameter, std=0.1)
    with tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(model, path, about_images(classes, framing(side), lineage))
        data = path.read_bytes()
    counted = graph_multiply_adds(data)
    if precision == "int8":
        data = quantise(data, np.random.default_rng(0).integers(0, 256, (8, *model.shape), np.uint8))
        return Size(len(data) + _ZERO_POINTS, counted)
    return Size(len(data), counted)


def largest_student(
    classes: Sequence[str],
    side: int,
    budget: Budget,
    *,
    family: Sequence[str] = FAMILY,
    lineage: Lineage = UNKNOWN,
) -> str:
    """The largest member that is within the budget.

    Args:
        classes: their names are in the file, too.
        side: of the square images, pixels.
        budget: with one limit at least.
        family: from small to large in bytes and multiply-adds.
        lineage: what it will have seen, which is in the file.

    Raises:
        InvalidInput: there is no budget, or not even the smallest member fits.
    """
    if budget.max_bytes is None and budget.max_multiply_adds is None:
        raise InvalidInput("a student is chosen by a budget: say how many bytes or multiply-adds it may have")

    def size(name: str) -> Size:
        return size_of(name, classes, side, budget.precision, lineage)

    fitting = bisect(family, False, key=lambda name: budget.exceeded_by(size(name)) is not None)
    if not fitting:
        smallest = size(family[0])
        raise InvalidInput(
            f"no student fits: the smallest, {family[0]}, has {smallest.bytes:,} bytes ({budget.precision}) and "
            f"{smallest.multiply_adds:,} multiply-adds an image of {side}×{side}; allowed are {_words(budget.max_bytes)} and "
            f"{_words(budget.max_multiply_adds)}"
        )
    return family[fitting - 1]


def _words(limit: int | None) -> str:
    return "any" if limit is None else f"{limit:,}"
