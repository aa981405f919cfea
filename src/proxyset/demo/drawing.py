"""Pictures of digits drawn from pen points, fonts and photographs: 32×32, uint8."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 32  # pixels, both ways
Pixels = NDArray[np.uint8]

_INK = 20  # pixels that a pen digit may fill, both ways
_LEAST_CONTRAST = 60  # grey levels between a glyph and its ground


def grey_to_rgb(image: Pixels) -> Pixels:
    """(h, w) → (h, w, 3)."""
    return np.repeat(image[..., None], 3, axis=-1)


def enlarge(image: Pixels, size: int) -> Pixels:
    """A bicubic enlargement, centred on black: (h, w) → (SIZE, SIZE, 3)."""
    before = (SIZE - size) // 2
    larger = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
    return grey_to_rgb(np.pad(larger, (before, SIZE - size - before)))


def pen_digit(points: NDArray[np.float64], width: float) -> Pixels:
    """White ink on black along a smooth curve through pen points.

    Args:
        points: (n, 2) x to the right and y upwards in [0, 100].
        width: of the pen, in pixels.
    """
    fine = 4
    margin = (SIZE - _INK) / 2
    pixels = (margin + np.stack([points[:, 0], 100 - points[:, 1]], axis=1) * _INK / 100) * fine
    image = Image.new("L", (SIZE * fine, SIZE * fine))
    draw = ImageDraw.Draw(image)
    path = [(float(x), float(y)) for x, y in _catmull_rom(pixels)]
    draw.line(path, fill=255, width=round(width * fine))
    for x, y in path:
        r = width * fine / 2
        draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return grey_to_rgb(np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX)))


def _catmull_rom(points: NDArray[np.float64], steps: int = 8) -> NDArray[np.float64]:
    """A curve through every point (n, 2), `steps` pieces between neighbours."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    a, b, c, d = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = b + (c - a) * t / 2 + (a - 2.5 * b + 2 * c - d / 2) * t**2 + (1.5 * (b - c) + (d - a) / 2) * t**3
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def photo_patch(photos: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """A random square of a random photograph, scaled to (SIZE, SIZE, 3)."""
    photo = photos[int(rng.integers(len(photos)))]
    side = int(rng.integers(24, 120))
    y, x = (int(rng.integers(extent - side)) for extent in photo.shape[:2])
    return np.asarray(Image.fromarray(photo[y : y + side, x : x + side]).resize((SIZE, SIZE)))


def printed(character: str, alphabet: str, path: Path, rng: np.random.Generator) -> Pixels:
    """A character of a font as on a sign: random colours, size, slant, rotation, blur, often with
    neighbours.

    Follows the idea of SynthDigits (Ganin and Lempitsky, ICML 2015). Returns (SIZE, SIZE, 3).
    """
    fine = 3
    side = SIZE * fine
    font = ImageFont.truetype(str(path), int(rng.integers(19, 30) * fine))
    left, top, right, bottom = font.getbbox(character)
    width, height = right - left, bottom - top
    x = (side - width) / 2 - left + rng.normal(0, 1.5 * fine)
    y = (side - height) / 2 - top + rng.normal(0, 1.5 * fine)
    ground, ink = _colours(rng)

    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    bold = int(rng.integers(0, 3))
    draw.text((x, y), character, font=font, fill=255, stroke_width=bold)
    for step in (-1, 1):
        if rng.random() < 0.4:
            beside = alphabet[rng.integers(len(alphabet))]
            draw.text((x + step * (width + 2 * fine), y), beside, font=font, fill=255, stroke_width=bold)

    stretch, slant = np.exp(rng.normal(0, 0.12)), rng.normal(0, 0.12)
    centre = side / 2
    shear = (1 / stretch, slant, centre - centre / stretch - slant * centre, 0, 1, 0)
    mask = mask.transform(mask.size, Image.Transform.AFFINE, shear, Image.Resampling.BICUBIC)
    mask = mask.rotate(rng.normal(0, 8), Image.Resampling.BICUBIC)
    mask = mask.filter(ImageFilter.GaussianBlur(abs(rng.normal(0, 0.5)) * fine))
    drawn = Image.composite(Image.new("RGB", mask.size, ink), Image.new("RGB", mask.size, ground), mask)
    return np.asarray(drawn.resize((SIZE, SIZE), Image.Resampling.BOX))


def _colours(rng: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """A ground and an ink that differ in brightness, as the features see no colour."""
    while True:
        colours = rng.integers(0, 256, (2, 3))
        ground, ink = colours @ (0.299, 0.587, 0.114)
        if abs(ground - ink) >= _LEAST_CONTRAST:
            first, second = ([int(value) for value in colour] for colour in colours)
            return (first[0], first[1], first[2]), (second[0], second[1], second[2])
