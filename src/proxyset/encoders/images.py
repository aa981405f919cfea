"""Image bytes to pixels: the same steps on both sides, and nothing that a hostile file can blow up.

Steps: open (a short list of formats, so that no other program is started), refuse too many pixels, verify,
decode the first frame, 16-bit gray to 8, transparency on white, RGB or gray (ITU-R 601), turn as EXIF says,
crop, resize. DICOM is opened as `dicom` says.
"""

from __future__ import annotations

import importlib
import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxyset.encoders.dicom import decode_dicom, is_dicom
from proxyset.errors import InvalidData

# What Pillow reads itself, and what small plug-ins add to it (the extra "pictures"), imported when such a picture comes.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP", "AVIF")
_PLUGINS = {"HEIF": "HEIC", "JXL": "JPEG XL"}
READ = (*FORMATS, *_PLUGINS.values(), "DICOM")  # as people call them
LARGEST_PIXELS = 64_000_000  # 64 megapixels take 256 MB as RGB
_STRIP = 256  # rows
PIPELINE = 1  # part of every image encoder's fingerprint: raise it when a step above changes

Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Colours = Literal["RGB", "BGR", "L"]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
# What Pillow's decoders raise on damaged bytes: no common base, and nearly anything.
_DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError,
    RuntimeError, AssertionError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip


class Framing(BaseModel):
    """How a picture of any shape becomes an array of one shape.

    Attributes:
        size: (height, width) of the result.
        resize: "stretch" changes the aspect ratio; "crop" cuts the centre and keeps it.
        shorter_side: for "crop": what the shorter side of the picture would be scaled to before the centre of
            `size` is cut out. The cut is made in the original and resized once: no large picture in between.
        interpolation: Pillow's filter of that name, with antialiasing.
        colours: order of the channels; "L" is gray.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: tuple[int, int] = Field(strict=False)
    resize: Literal["stretch", "crop"] = "stretch"
    shorter_side: int | None = Field(default=None, le=8192)
    interpolation: Interpolation = "bilinear"
    colours: Colours = "RGB"

    @model_validator(mode="after")
    def _consistent(self) -> Framing:
        if not all(1 <= side <= 4096 for side in self.size):
            raise ValueError(f"size must lie in 1…4096; it is {self.size}")
        if (self.resize == "crop") != (self.shorter_side is not None):
            raise ValueError("shorter_side goes with resize='crop', and only with it")
        if self.shorter_side is not None and self.shorter_side < max(self.size):
            raise ValueError(f"shorter_side {self.shorter_side} is smaller than the size {self.size}")
        return self


def pixels(items: Sequence[Any], framing: Framing) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode a batch.

    Args:
        items: bytes of image files.
        framing: the shape and colours to return.

    Returns:
        (n, height, width, 3) uint8, or (n, height, width) for gray; and row → problem (its pixels are 0).
    """
    depth = () if framing.colours == "L" else (3,)
    out = np.zeros((len(items), *framing.size, *depth), np.uint8)
    problems: dict[int, str] = {}
    for row, data in enumerate(items):
        try:
            out[row] = frame(decode(data, "L" if framing.colours == "L" else "RGB"), framing)
        except InvalidData as error:
            problems[row] = str(error)
    return out, problems


def decode(data: Any, mode: Literal["RGB", "L"], draft: int | None = None) -> Image.Image:
    """One image in its own size, upright, opaque, 8 bits a channel.

    Args:
        data: bytes of an image file.
        mode: of the result.
        draft: let a JPEG be decoded at a fraction of its size, though to at least this many pixels a side: for looking at, never
            for encoding.

    Raises:
        InvalidData: not bytes, not of FORMATS, damaged, cut off, more than LARGEST_PIXELS, or floating point.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidData(f"expected the bytes of an image file, got {type(data).__name__}")
    try:
        # Pillow warns about odd metadata and about size; the size is checked here, as an error.
        with warnings.catch_warnings(action="ignore"):
            if is_dicom(data):
                image = decode_dicom(data, LARGEST_PIXELS)
                return image if image.mode == mode else image.convert(mode)
            _open(data).verify()
            image = _open(data)
            image.seek(0)
            if draft is not None:
                image.draft(None, (draft, draft))
            image.load()
            # A JPEG XL is turned as its codestream says, whatever its EXIF block says; its decoder has done so.
            turn = None if image.format == "JXL" else _TURNS.get(image.getexif().get(_EXIF_ORIENTATION, 1))
            image = _opaque(_eight_bits(image))
            image = image if image.mode == mode else image.convert(mode)
            return image if turn is None else image.transpose(turn)
    except InvalidData:
        raise
    except _DAMAGE as error:
        raise InvalidData(f"cannot decode the image: {_reason(error)}") from None


def frame(image: Image.Image, framing: Framing) -> NDArray[np.uint8]:
    """Crop and resize a decoded RGB or gray image: (height, width[, 3]) uint8."""
    height, width = framing.size
    box = (0.0, 0.0, float(image.width), float(image.height))
    if framing.shorter_side is not None:
        scale = min(image.size) / framing.shorter_side  # pixels of the original for one of the result
        left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
        box = (
            max(left, 0.0),
            max(top, 0.0),
            min(left + width * scale, image.width),
            min(top + height * scale, image.height),
        )
    resampling = Image.Resampling[framing.interpolation.upper()]
    array = np.asarray(image.resize((width, height), resampling, box=box))
    return array[..., ::-1] if framing.colours == "BGR" else array


def format_of(data: bytes) -> str:
    """The format of an image file, as Pillow names it, or "DICOM"; "" for what cannot be read. Nothing is decoded."""
    if is_dicom(data):
        return "DICOM"
    try:
        formats = _formats(data)
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=formats) as image:
            return str(image.format)
    except (*_DAMAGE, InvalidData):
        return ""


def _formats(data: bytes | bytearray | memoryview) -> tuple[str, ...]:
    """The formats in which to try this file, by its first bytes.

    Raises:
        InvalidData: it needs a plug-in that is not installed.
    """
    begin = bytes(data[:32])
    if begin[4:8] == b"ftyp" and b"avif" not in begin and b"avis" not in begin:
        form, package = "HEIF", "pillow_heif"
    elif begin.startswith(b"\xff\x0a") or begin[4:12] == b"JXL \r\n\x87\n":
        form, package = "JXL", "pillow_jxl"
    else:
        return FORMATS
    try:
        plugin = importlib.import_module(package)
    except ImportError:
        raise InvalidData(
            f"it is a picture of the format {_PLUGINS[form]}, which needs a plug-in: pip install 'proxyset[pictures]'"
        ) from None
    if form == "HEIF":
        plugin.register_heif_opener(thumbnails=False)
    return (form,)


def _open(data: bytes | bytearray | memoryview) -> Image.Image:
    if not len(data):
        raise InvalidData("there is no picture: the value is empty")
    image = Image.open(io.BytesIO(data), formats=_formats(data))
    if image.width * image.height > LARGEST_PIXELS:
        raise InvalidData(
            f"the image has {image.width} × {image.height} pixels, more than the {LARGEST_PIXELS} accepted"
        )
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise InvalidData(
            "the image holds floating-point values, which have no agreed range: save it with 8 or 16 bits"
        )
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise InvalidData(
            f"the image holds values of {values.min()}…{values.max()}: save it with 8 or 16 bits"
        )
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode not in ("RGBA", "LA", "PA", "RGBa", "La") and "transparency" not in image.info:
        return image
    opaque = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):  # a large picture is not held four times over
        box = (0, top, image.width, min(top + _STRIP, image.height))
        strip = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        opaque.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    return opaque


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"none of {', '.join(READ)}"
    return str(error)[:200] or type(error).__name__
