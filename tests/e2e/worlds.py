"""Small worlds for the pages: pictures of five shapes, some of them private, and an index of the public ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index

SHAPES = ("disc", "square", "cross", "stripes", "ring")
HOSTILE = "<img src=x onerror=document.title='pwned'>"


def draw(shape: str, seed: int) -> Image.Image:
    """A 28 × 28 picture of a shape, of a size, place and colour of its own."""
    rng = np.random.default_rng([SHAPES.index(shape), seed])
    back = tuple(int(v) for v in rng.integers(0, 90, 3))
    ink = tuple(int(v) for v in rng.integers(140, 256, 3))
    image = Image.new("RGB", (28, 28), back)
    pen = ImageDraw.Draw(image)
    (x, y), r = rng.integers(11, 17, 2), int(rng.integers(6, 10))
    x, y = int(x), int(y)
    box = (x - r, y - r, x + r, y + r)
    if shape == "disc":
        pen.ellipse(box, fill=ink)
    elif shape == "square":
        pen.rectangle(box, fill=ink)
    elif shape == "cross":
        pen.line((x - r, y - r, x + r, y + r), fill=ink, width=3)
        pen.line((x - r, y + r, x + r, y - r), fill=ink, width=3)
    elif shape == "stripes":
        for at in range(y - r, y + r, 4):
            pen.line((x - r, at, x + r, at), fill=ink, width=2)
    else:
        pen.ellipse(box, outline=ink, width=3)
    return image


def draw_pool(folder: Path, each: int) -> Path:
    """A folder of pictures, `each` of a shape, and one with a hostile name."""
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for seed in range(each):
            draw(shape, seed).save(folder / shape / f"{seed:03d}.png")
    (folder / f"{HOSTILE}.png").write_bytes((folder / "ring" / "000.png").read_bytes())
    return folder


def draw_private(folder: Path, count: int) -> Path:
    """Discs and rings that are in no pool."""
    folder.mkdir(parents=True)
    for seed in range(count):
        shape = "disc" if seed % 3 else "ring"
        draw(shape, 50_000 + seed).save(folder / f"{seed:03d}.png")
    return folder


def picture_index(folder: Path, each: int = 40, clusters: int = 20, medoids: bool = True) -> Index:
    """An index of pictures under `folder`, whose pool is `folder/pool`."""
    pool = draw_pool(folder / "pool", each)
    return build_index(pool, folder / "index", encoder="hog", clusters=clusters, medoids=medoids)
