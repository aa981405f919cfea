"""Pictures are drawn anew, and what is none stays out."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from proxyset.page import pictures


def encoded(size, form="PNG", mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else 1).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("size", "small"),
    [((800, 400), (160, 80)), ((28, 28), (140, 140)), ((100, 100), (100, 100)), ((1, 4), (40, 160))],
)
def test_a_thumbnail_is_a_png_that_fits(size, small):
    for form in ("PNG", "JPEG"):
        png = pictures.thumbnail(encoded(size, form))
        assert png is not None and png.startswith(b"\x89PNG")
        with Image.open(io.BytesIO(png)) as image:
            assert image.size == small


@pytest.mark.parametrize("data", [b"", b"<svg onload=alert(1)>", b"GIF89a", encoded((9, 9))[:40]])
def test_what_is_no_picture(data):
    assert pictures.thumbnail(data) is None


def test_a_picture_that_is_too_large(monkeypatch):
    monkeypatch.setattr(pictures, "_MOST_PIXELS", 99)
    assert pictures.thumbnail(encoded((10, 10))) is None


def test_nothing_of_the_file_but_its_pixels_comes_through():
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "JPEG", comment=b"<script>")
    png = pictures.thumbnail(file.getvalue())
    assert png is not None and b"script" not in png


def test_what_cannot_be_drawn_is_shown_as_such():
    drawn, none = pictures.picture(encoded((9, 9))), pictures.picture(b"<svg onload=alert(1)>")
    assert (drawn.media_type, none.media_type) == ("image/png", "image/svg+xml")
    assert b"onload" not in bytes(none.body)
