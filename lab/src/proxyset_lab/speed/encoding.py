"""Images a second of an ONNX encoder, against its bare model on the same images already decoded.

The model has one thread, so that on two cores decoding has one of its own. Times are of the wall clock: run it on an idle
machine. The core-seconds beside them say what the machine did.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from proxyset.encoders.images import pixels
from proxyset.encoders.onnx import OnnxEncoder

_CHUNK = 32


def encoding_rate(folder: Path, images: int, side: int, rounds: int) -> None:
    """Print the two rates and their ratio, as medians of interleaved rounds.

    Args:
        folder: an exported encoder.
        images: how many JPEGs.
        side: pixels of their shorter side.
        rounds: of both, in turns.
    """
    encoder = OnnxEncoder(folder, threads=1)
    items = pictures(images, side)
    decoded, _ = pixels(items, encoder.recipe.input)

    def bare() -> None:
        for start in range(0, len(decoded), _CHUNK):
            encoder.features(decoded[start : start + _CHUNK])

    bare()
    encoder.encode(items)
    found = [(_timed(bare), _timed(lambda: encoder.encode(items))) for _ in range(rounds)]
    decoding = _timed(lambda: pixels(items, encoder.recipe.input))[1]
    ratios = [bare_wall / wall for (bare_wall, _), (wall, _) in found]
    for name, place in (("bare model", 0), ("encoder", 1)):
        wall, cores = (statistics.median(row[place][kind] for row in found) for kind in (0, 1))
        sys.stdout.write(
            f"{name:12s} {len(items) / wall:7.1f} images/s, {1000 * cores / len(items):.2f} core-ms an image\n"
        )
    sys.stdout.write(f"decoding     {1000 * decoding / len(items):.2f} core-ms an image\n")
    sys.stdout.write(
        f"ratio        {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {rounds} rounds\n"
    )


def pictures(count: int, side: int) -> list[bytes]:
    """JPEG files of smooth random pictures, 4:3."""
    from PIL import Image

    rng = np.random.default_rng(0)
    items = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((side * 4 // 3, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        items.append(buffer.getvalue())
    return items


def _timed(function: Callable[[], object]) -> tuple[float, float]:
    wall, cores = time.monotonic(), time.process_time()
    function()
    return time.monotonic() - wall, time.process_time() - cores
