"""Pictures for a page: decoded here and drawn anew, so that no byte of a stranger's file reaches the browser."""

from __future__ import annotations

import io
import warnings

from starlette.responses import Response

_MOST_PIXELS = 40_000_000
# in the place of a picture that cannot be drawn, so that nobody takes a broken page for an empty one
_NONE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160"><path fill="none" stroke="#808080" stroke-width="4" '
    b'd="M44 44H116V116H44ZL116 116M116 44L44 116"/></svg>'
)


def picture(data: bytes) -> Response:
    """The response that shows a stranger's picture, small and drawn anew, or that there is none to show."""
    png = thumbnail(data)
    headers = {"cache-control": "private, max-age=3600"}
    return Response(png or _NONE, media_type="image/png" if png else "image/svg+xml", headers=headers)


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
