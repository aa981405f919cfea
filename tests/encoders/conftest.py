import io

import numpy as np
import pytest
from PIL import Image


def _file(array, form="PNG", **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(np.asarray(array))
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture
def file():
    """An array or Pillow image as the bytes of an image file: file(array, "JPEG", quality=90)."""
    return _file


@pytest.fixture
def photo():
    """A (48, 64, 3) uint8 picture with slopes and edges, different in each channel."""
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, (x // 8 + y // 8) % 2 * 200], axis=-1).astype(np.uint8)
