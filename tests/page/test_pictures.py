"""Pictures as responses. How they are drawn: tests/encoders/test_drawn.py."""

from __future__ import annotations

import io

from PIL import Image

from proxyset.page.pictures import picture


def test_what_cannot_be_drawn_is_shown_as_such():
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    drawn, none = picture(file.getvalue()), picture(b"<svg onload=alert(1)>")
    assert (drawn.media_type, none.media_type) == ("image/png", "image/svg+xml")
    assert b"onload" not in bytes(none.body)
