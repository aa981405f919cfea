"""Does this machine compute the features that the encoder's maker computed?

The fingerprint covers weights and parameters, not the versions of Pillow, scikit-image or ONNX Runtime, which may
change a feature in its last digits. So an encoder also carries the features of one fixed picture, and loading it fails
when they come out differently: ‖actual − expected‖ must not pass `tolerance` · ‖expected‖.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from proxyset.errors import EncoderMismatch

PICTURE = "rings/1"  # name of the recipe below
TOLERANCE = (
    0.01  # relative; a change of one gray level in every pixel stays below, a swapped channel is far above
)


def picture() -> bytes:
    """A 96 × 80 RGB PNG made of integer arithmetic alone: rings, a slope and a checkerboard, different in each channel."""
    y, x = np.mgrid[:80, :96]
    rings = ((x - 40) ** 2 + (y - 30) ** 2) // 24 % 256
    slope = 2 * x + y // 2
    board = (x // 12 + y // 10) % 2 * 160 + 40
    out = io.BytesIO()
    Image.fromarray(np.stack([rings, slope, board], axis=-1).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def compare(actual: NDArray[np.float32], expected: Sequence[float], tolerance: float, what: str) -> None:
    """Hold the features of the fixed item against what they should be.

    Raises:
        EncoderMismatch: they differ by more than `tolerance`, relative to the norm of `expected`.
    """
    reference = np.asarray(expected, np.float64)
    difference = float(np.linalg.norm(actual - reference) / max(float(np.linalg.norm(reference)), 1e-12))
    if not difference <= tolerance:
        raise EncoderMismatch(
            f"{what}: the self-test's features differ by {difference:.2g} of their norm, more than {tolerance}: "
            "another version of the library or a damaged file; install the versions that the other side uses"
        )
