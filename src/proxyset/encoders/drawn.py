"""Strangers' pictures, drawn anew for a person to look at: the pixels that the encoder takes, and no byte of the file.

Everything that shows a picture of a probe, of questions or of a pool calls `drawn`, which opens it as the encoder does
(`images.decode`): the same short list of formats, so that no other program is started; the same limit of pixels, before
anything is decoded; upright; what is transparent on white. One picture is decoded at a time, so a page full of large ones needs
the memory of one.
"""

from __future__ import annotations

import io
from threading import Lock

from PIL import Image

from proxyset.encoders.images import decode
from proxyset.errors import InvalidData

_ONE_AT_A_TIME = Lock()


def drawn(data: bytes, side: int | None = None) -> bytes | None:
    """A PNG of the picture.

    Args:
        data: bytes of an image file; nothing in it is trusted.
        side: fit it into side × side pixels; small ones are enlarged by a whole factor, which keeps their pixels sharp. None
            keeps its size.

    Returns:
        The PNG, or None when the data is no picture that an encoder would take.
    """
    out = io.BytesIO()
    with _ONE_AT_A_TIME:
        try:
            picture = decode(data, "RGB", draft=side)
        except InvalidData:
            return None
        if side is not None:
            picture = _fitted(picture, side)
        picture.save(out, "PNG")
    return out.getvalue()


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    factor = side // max(picture.size)
    if factor > 1:
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((side, side))
    return picture
