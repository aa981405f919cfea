"""What a person is shown is what the encoder takes, and a stranger's file can start nothing and fill nothing."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from proxyset.client.look import write_items
from proxyset.encoders import images
from proxyset.encoders.drawn import drawn
from proxyset.page.pictures import picture
from tests.client.test_pins import hog as hog
from tests.client.test_pins import shown

EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\n"
    b"0 0 moveto 40 40 lineto stroke showpage\n%%EOF\n"
)
THREE_LARGE = """
import io, threading
from pathlib import Path
from PIL import Image
from proxyset.page.pictures import picture
def peak():  # of this program alone: ru_maxrss keeps that of the process that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
file = io.BytesIO()
Image.new("RGBA", (6324, 6324), (10, 20, 30, 128)).save(file, "PNG", compress_level=1)
data = file.getvalue()
del file
picture(data)
one = peak()
threads = [threading.Thread(target=picture, args=(data,)) for _ in range(3)]
[t.start() for t in threads]
[t.join() for t in threads]
print(one, peak())
"""


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def opened(png: bytes | None) -> Image.Image:
    assert png is not None and png.startswith(b"\x89PNG")
    return Image.open(io.BytesIO(png)).convert("RGB")


def half_transparent() -> bytes:
    rgba = np.random.default_rng(0).integers(0, 256, (40, 50, 4), np.uint8)
    return saved(Image.fromarray(rgba))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(1).integers(0, 256, (30, 50, 3), np.uint8)
    return saved(Image.fromarray(pixels), "PNG", exif=exif)


def palette() -> bytes:
    image = Image.new("P", (20, 20))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.paste(1, (0, 0, 10, 20))
    return saved(image, "GIF", transparency=1)


def gray_and_alpha() -> bytes:
    return saved(Image.fromarray(np.random.default_rng(2).integers(0, 256, (20, 20, 2), np.uint8), "LA"))


@pytest.mark.parametrize("make", [half_transparent, turned, palette, gray_and_alpha])
def test_what_is_shown_is_what_is_encoded(make, hog, tmp_path):
    """Transparent pixels on white, upright as EXIF says: on the page, in the folder of `client look`, for the encoder."""
    data = make()
    encoded = images.decode(data, "RGB")
    assert np.array_equal(np.asarray(opened(drawn(data))), np.asarray(encoded))
    small = opened(picture(data).body)
    factor = 160 // max(encoded.size)
    assert np.array_equal(
        np.asarray(small), np.asarray(encoded).repeat(factor, axis=0).repeat(factor, axis=1)
    )
    (file,) = write_items(shown(hog, [data]), tmp_path / "out")
    assert np.array_equal(np.asarray(opened(file.read_bytes())), np.asarray(encoded))


def test_an_eps_starts_no_other_program(hog, monkeypatch, tmp_path):
    """Neither for the page nor for `client look`, though Pillow would draw it with Ghostscript."""
    started = []
    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *a, **k: started.append(a) or Image.new("RGB", (9, 9))
    )
    assert Image.open(io.BytesIO(EPS)).format == "EPS"
    assert picture(EPS).media_type == "image/svg+xml"
    assert drawn(EPS) is None and images.format_of(EPS) == ""
    (file,) = write_items(shown(hog, [EPS]), tmp_path / "out")
    assert file.suffix == ".txt"
    assert started == []


def test_three_large_pictures_at_once_need_the_memory_of_one():
    run = subprocess.run(
        [sys.executable, "-c", THREE_LARGE], capture_output=True, text=True, check=True, timeout=200
    )
    one, three = map(int, run.stdout.split())
    assert three < 1.15 * one, f"{one} kB for one, {three} kB for three"
    assert three < 600_000


@pytest.mark.parametrize(
    ("size", "small"),
    [((800, 400), (160, 80)), ((28, 28), (140, 140)), ((100, 100), (100, 100)), ((1, 4), (40, 160))],
)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_it_fits(size, small, form):
    assert opened(drawn(saved(Image.new("RGB", size, "red"), form), 160)).size == small


@pytest.mark.parametrize(
    "data", [b"", b"<svg onload=alert(1)>", b"GIF89a", half_transparent()[:60], half_transparent()[:-40]]
)
def test_what_is_no_picture(data):
    assert drawn(data) is None and drawn(data, 160) is None


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    data = half_transparent()
    monkeypatch.setattr(images, "LARGEST_PIXELS", 99)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    assert drawn(data) is None


def test_nothing_of_the_file_but_its_pixels_comes_through():
    png = drawn(saved(Image.new("RGB", (40, 40)), "JPEG", comment=b"<script>"), 160)
    assert png is not None and b"script" not in png
