"""Pictures for a page: decoded here and drawn anew, so that no byte of a stranger's file reaches the browser."""

from __future__ import annotations

import io
import warnings

_MOST_PIXELS = 40_000_000


def thumbnail(data: bytes, side: int = 160) -> bytes | None:
    """A PNG of at most side × side pixels, or None when the data is no picture that can be decoded here."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (side, side))
            small = image.convert("RGB")
            if small.width < side // 2 and small.height < side // 2:  # keep the pixels of small ones sharp
                scale = side // max(small.width, small.height)
                small = small.resize((small.width * scale, small.height * scale), Image.Resampling.NEAREST)
            small.thumbnail((side, side))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()
