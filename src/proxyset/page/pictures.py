"""Pictures for a page: drawn anew, so that no byte of a stranger's file reaches the browser."""

from __future__ import annotations

from starlette.responses import Response

from proxyset.encoders.drawn import drawn

_SIDE = 160
# in the place of a picture that cannot be drawn, so that nobody takes a broken page for an empty one
_NONE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160"><path fill="none" stroke="#808080" stroke-width="4" '
    b'd="M44 44H116V116H44ZL116 116M116 44L44 116"/></svg>'
)


def picture(data: bytes) -> Response:
    """The response that shows a stranger's picture, small and drawn anew, or that there is none to show."""
    png = drawn(data, _SIDE)
    headers = {"cache-control": "private, max-age=3600"}
    return Response(png or _NONE, media_type="image/png" if png else "image/svg+xml", headers=headers)
