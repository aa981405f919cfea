"""Does this machine compute the features that the encoder's maker computed?

The fingerprint covers weights and parameters, not the versions of Pillow, scikit-image or ONNX Runtime, which
may change a feature in its last digits. So an encoder also carries the features of one fixed picture (or
text), and loading it fails when they come out differently: ‖actual − expected‖ must not pass `tolerance` ·
‖expected‖.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from proxyset.errors import EncoderMismatch

# Relative. Measured with EfficientNet-Lite0 at 96 pixels: 1 % of the values one gray level off gives 0.02,
# bicubic exchanged for Lanczos 0.04, bilinear 0.13, stretching for cropping 0.46, a swapped channel 0.62.
TOLERANCE = 0.03


def picture() -> bytes:
    """A 96 × 80 RGB PNG, by integer arithmetic alone: triangle waves, another direction in each channel."""
    y, x = np.mgrid[:80, :96]
    red, green, blue = _triangle(x + y, 48), _triangle(2 * x - y + 200, 60), _triangle(x + 3 * y, 40)
    waves = [5 * red, 3 * green + 60, 4 * blue]  # of unequal means, too
    out = io.BytesIO()
    Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def _triangle(phase: NDArray[np.int64], height: int) -> NDArray[np.int64]:
    return height - abs(phase % (2 * height) - height)


def compare(actual: NDArray[np.float32], expected: Sequence[float], tolerance: float, what: str) -> None:
    """Hold the features of the fixed item against what they should be.

    Raises:
        EncoderMismatch: they differ by more than `tolerance`, relative to the norm of `expected`.
    """
    reference = np.asarray(expected, np.float64)
    difference = float(np.linalg.norm(actual - reference) / max(float(np.linalg.norm(reference)), 1e-12))
    if not difference <= tolerance:
        raise EncoderMismatch(
            f"{what}: the self-test's features differ by {difference:.2g} of their norm, more than "
            f"{tolerance}: another version of a library, or a damaged file. Install what the other side uses"
        )
