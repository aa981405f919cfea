"""DICOM to pixels: the same steps on both sides, for every file by itself.

Steps: the first frame; the modality's slope and intercept or table; the file's own first window or table of values of interest, if
it has one; from the least value that is left to the greatest; "MONOCHROME1" inverted, so that more is brighter; colours as RGB.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from proxyset.errors import InvalidData


def is_dicom(data: bytes | bytearray | memoryview) -> bool:
    """Whether these are the bytes of a DICOM file."""
    return bytes(data[128:132]) == b"DICM"


def decode_dicom(data: bytes | bytearray | memoryview, most_pixels: int) -> Image.Image:
    """The first frame as a gray or RGB image of 8 bits.

    Raises:
        InvalidData: pydicom is not installed, or the frame has more than `most_pixels`. What a damaged file makes pydicom raise
            comes as it is.
    """
    try:
        import pydicom
        from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
        from pydicom.pixels.utils import pixel_array
    except ImportError:
        raise InvalidData(
            "it is a picture of the format DICOM, which needs pydicom: pip install 'proxyset[dicom]'"
        ) from None
    dataset = pydicom.dcmread(io.BytesIO(bytes(data)))
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if rows * columns > most_pixels:
        raise InvalidData(f"the image has {columns} × {rows} pixels, more than the {most_pixels} accepted")
    frame = pixel_array(dataset, index=0)  # colours come as RGB
    if frame.ndim == 3:
        shift = max(0, int(dataset.BitsStored) - 8)
        return Image.fromarray((frame >> shift).astype(np.uint8))
    values = apply_voi_lut(apply_modality_lut(frame, dataset), dataset, index=0).astype(np.float64)
    low, high = values.min(), values.max()
    scaled = np.rint((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    return Image.fromarray(255 - scaled if dataset.PhotometricInterpretation == "MONOCHROME1" else scaled)
