"""Texts and pictures for the neighbour fuzzer, most of them hostile."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

Rng = np.random.Generator
Make = Callable[[Rng], Any]


WORDS = [
    "ward",
    "fever",
    "cough",
    "heart",
    "left",
    "right",
    "acute",
    "mild",
    "tax",
    "report",
    "river",
    "stone",
    "Köln",
    "12",
    "3.5",
    "of",
    "the",
]


def words(rng: Rng) -> str:
    return " ".join(rng.choice(WORDS, size=int(rng.integers(1, 9))))


TEXTS: dict[str, Make] = {
    "empty": lambda rng: "",
    "blank": lambda rng: " \t ",
    "enormous": lambda rng: "heart " * 5000,
    "emoji": lambda rng: "😀" * 20,
    "only marks": lambda rng: "?!,;" * 5,
    "quotes": lambda rng: 'she said "no", then\nleft; a,b',
    "NUL": lambda rng: "a\0b",
    "half a pair": lambda rng: "a\ud800b",
    "carriage return": lambda rng: "one\rtwo\x85three\u2028four",
    "not a text": lambda rng: 7,
    "missing": lambda rng: None,
}


def picture(rng: Rng, form: str = "PNG", mode: str = "RGB", side: int = 0) -> bytes:
    side = side or int(rng.integers(8, 20))
    values = rng.integers(0, 256, size=(3, 3, 3)).astype(np.uint8)
    image = Image.fromarray(values).resize((side, side + int(rng.integers(4))), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    image.convert(mode).save(out, form)
    return out.getvalue()


def _bomb(rng: Rng) -> bytes:
    data = bytearray(picture(rng))
    data[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height of the header
    return bytes(data)


def _bitten(rng: Rng) -> bytes:
    data = bytearray(picture(rng, str(rng.choice(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))))
    for _ in range(int(rng.integers(1, 6))):
        data[rng.integers(len(data))] = rng.integers(256)
    return bytes(data)


def _cut(rng: Rng) -> bytes:
    data = picture(rng, str(rng.choice(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])))
    return data[: int(rng.integers(len(data)))]


PICTURES: dict[str, Make] = {
    "empty": lambda rng: b"",
    "not a picture": lambda rng: rng.bytes(50),
    "cut off": _cut,
    "bitten": _bitten,
    "PostScript": lambda rng: picture(rng, "EPS"),
    "of floats": lambda rng: picture(rng, "TIFF", "F"),
    "transparent": lambda rng: picture(rng, "PNG", "RGBA"),
    "of 32 bits": lambda rng: picture(rng, "TIFF", "I"),
    "two colours": lambda rng: picture(rng, "PNG", "1"),
    "one pixel": lambda rng: picture(rng, side=1),
    "60,000 a side": _bomb,
    "a text": lambda rng: b"<svg></svg>",
}
