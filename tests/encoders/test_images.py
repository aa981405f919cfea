import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from proxyset.encoders import images
from proxyset.encoders.images import Framing, decode, frame, pixels
from proxyset.errors import InvalidData


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_keep_every_pixel(file, photo, form):
    assert np.array_equal(np.asarray(decode(file(photo, form), "RGB")), photo)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(file, photo, form):
    smooth = photo.copy()
    smooth[..., 2] = 100
    assert np.abs(np.asarray(decode(file(smooth, form, quality=95), "RGB")).astype(int) - smooth).mean() < 5


def test_gray_follows_itu_601(file, photo):
    expected = photo @ [0.299, 0.587, 0.114]
    assert np.abs(np.asarray(decode(file(photo), "L")) - expected).max() <= 1


def test_transparency_becomes_white(file):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = [10, 20, 30, 255]
    rgba[3, :, 3] = 128
    out = np.asarray(decode(file(rgba), "RGB"))
    assert (out[:2] == [10, 20, 30]).all()
    assert (out[2] == 255).all()
    assert np.abs(out[3].astype(int) - 127).max() <= 1


def test_transparent_palette_entry_becomes_white(file):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    out = np.asarray(decode(file(image, transparency=1), "RGB"))
    assert out.tolist() == [[[255, 0, 0], [255, 255, 255]], [[255, 255, 255], [255, 0, 0]]]


def test_gray_with_transparent_value_becomes_white(file):
    out = np.asarray(decode(file(np.array([[7, 9]], np.uint8), transparency=9), "L"))
    assert out.tolist() == [[7, 255]]


def test_cmyk_and_bilevel(file):
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = np.asarray(decode(file(cmyk, "TIFF"), "RGB"))[0, 0]
    assert red[0] > 200 and red[1] < 60 and red[2] < 60
    bilevel = Image.fromarray(np.eye(8, dtype=bool))
    assert np.array_equal(np.asarray(decode(file(bilevel), "L")), np.eye(8) * 255)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_scale_to_eight(file, form):
    values = np.array([[0, 128, 257, 32896, 65535]], np.uint16)
    assert np.asarray(decode(file(values, form), "L")).tolist() == [[0, 0, 1, 128, 255]]


def test_values_without_a_range_are_refused(file):
    with pytest.raises(InvalidData, match="floating-point"):
        decode(file(np.full((2, 2), 0.5, np.float32), "TIFF"), "L")
    with pytest.raises(InvalidData, match="70000"):
        decode(file(np.full((2, 2), 70000, np.int32), "TIFF"), "L")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(file, orientation):
    marked = np.zeros((16, 24), np.uint8)
    marked[:8, :8] = 255  # top left when upright
    turns = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = file(np.ascontiguousarray(turns[orientation](marked)), exif=exif)
    assert np.array_equal(np.asarray(decode(stored, "L")), marked)


def test_first_frame_of_an_animation(file, photo):
    first, second = Image.fromarray(photo), Image.fromarray(255 - photo)
    animated = file(first, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert np.array_equal(np.asarray(decode(animated, "RGB")), photo)


def test_too_many_pixels_is_an_error_before_decoding(file):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    for side in (
        9_000,
        12_000,
        60_000,
    ):  # below Pillow's warning, between its warning and its error, above both
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        bomb = (
            b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
        )
        with pytest.raises(InvalidData, match="pixels"):
            decode(bomb, "RGB")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_truncated_files_are_problems(file, photo, form):
    whole = file(photo, form)
    for keep in (0, 1, 10, len(whole) // 2):
        X, problems = pixels([whole[:keep], whole], Framing(size=(8, 8)))
        assert list(problems) == [0] and problems[0]
        assert not X[0].any() and X[1].any()


def test_a_flipped_bit_in_a_png_is_found(file, photo):
    data = bytearray(file(photo))
    data[len(data) // 2] ^= 1
    with pytest.raises(InvalidData):
        decode(bytes(data), "RGB")


def test_other_things_are_problems():
    _, problems = pixels([b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", None, "text"], Framing(size=(8, 8)))
    assert sorted(problems) == [0, 1, 2, 3]
    assert "NoneType" in problems[2]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_anything_else(data):
    form = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"]))
    out = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint16).reshape(16, 16, 3).astype(np.uint8)).save(out, form)
    damaged = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    X, problems = pixels([bytes(damaged)], Framing(size=(8, 8)))
    assert X.shape == (1, 8, 8, 3) and set(problems) <= {0}


def test_stretch_is_pillows_resize(photo):
    image = Image.fromarray(photo)
    out = frame(image, Framing(size=(20, 30), interpolation="bicubic"))
    assert np.array_equal(out, np.asarray(image.resize((30, 20), Image.Resampling.BICUBIC)))


def test_crop_keeps_the_centre_and_the_aspect(photo):
    image = Image.fromarray(photo)  # 64 wide, 48 high
    whole = frame(image, Framing(size=(48, 48), resize="crop", shorter_side=48, interpolation="nearest"))
    assert np.array_equal(whole, photo[:, 8:56])
    inner = frame(image, Framing(size=(24, 24), resize="crop", shorter_side=48, interpolation="nearest"))
    assert np.array_equal(inner, photo[12:36, 20:44])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(1, 40), st.integers(0, 40))
def test_any_shape_can_be_cropped(width, height, out_height, out_width, margin):
    framing = Framing(
        size=(out_height, out_width), resize="crop", shorter_side=max(out_height, out_width) + margin
    )
    out = frame(Image.new("RGB", (width, height), (1, 2, 3)), framing)
    assert out.shape == (out_height, out_width, 3) and (out == [1, 2, 3]).all()


def test_very_long_images_cost_nothing():
    image = Image.new("L", (1_000_000, 1), 9)
    assert (frame(image, Framing(size=(64, 64), resize="crop", shorter_side=64, colours="L")) == 9).all()


def test_colour_orders(file, photo):
    framed = {c: pixels([file(photo)], Framing(size=(8, 8), colours=c))[0] for c in ("RGB", "BGR", "L")}
    assert np.array_equal(framed["BGR"], framed["RGB"][..., ::-1])
    assert framed["L"].shape == (1, 8, 8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (0, 8)},
        {"size": (8, 5000)},
        {"size": (8, 8), "resize": "crop"},
        {"size": (8, 8), "shorter_side": 9},
        {"size": (8, 8), "resize": "crop", "shorter_side": 7},
        {"size": (8, 8), "interpolation": "magic"},
        {"size": (8, 8), "unknown": 1},
    ],
)
def test_impossible_framings(wrong):
    with pytest.raises(ValidationError):
        Framing(**wrong)


def test_limit_is_what_the_docs_say():
    assert images.LARGEST_PIXELS * 3 == 192_000_000
