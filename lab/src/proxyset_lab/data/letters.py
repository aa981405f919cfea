"""Capital letters printed in families of type: each family is a site, and each of its faces a group of items."""

from __future__ import annotations

import hashlib
import io
import re
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageFont

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset.demo.drawing import printed
from proxyset.errors import InvalidData
from proxyset_lab.data.packages import read_debian

PER_LETTER = 24  # drawings of each letter in each family, over its faces in turn
LETTERS = string.ascii_uppercase
_SEED = 20_261_129


@dataclass(frozen=True)
class _Family:
    """A family of type: its Debian package, which of the package's files are its faces, and their licence."""

    name: str
    package: str
    files: str
    licence: str


_OFL, _APACHE, _GUST, _VERA = "OFL 1.1", "Apache-2.0", "GUST Font License", "Bitstream Vera License"
_ADF = "GPL-2.0+ with font exception"
_FAMILIES = (
    _Family("lato", "fonts-lato", r"Lato-", _OFL),
    _Family("inter", "fonts-inter", r"Inter-", _OFL),
    _Family("roboto", "fonts-roboto-unhinted", r"Roboto-", _APACHE),
    _Family("open-sans", "fonts-open-sans", r"OpenSans-", _APACHE),
    _Family("jetbrains-mono", "fonts-jetbrains-mono", r"JetBrainsMono-", _OFL),
    _Family("fira-code", "fonts-firacode", r"FiraCode-", _OFL),
    _Family(
        "libertine", "fonts-linuxlibertine", r"LinLibertine_(R|DR)", "GPL-2.0+ with font exception or OFL 1.1"
    ),
    _Family("latin-modern-roman", "fonts-lmodern", r"lmroman\d+-", _GUST),
    _Family("latin-modern-sans", "fonts-lmodern", r"lmsans\d+-", _GUST),
    _Family("latin-modern-mono", "fonts-lmodern", r"lmmono(\d|lt|prop)", _GUST),
    _Family("cmu-bright", "fonts-cmu", r"cmunb(bx|mo|mr|sr|so|xo)", _OFL),
    _Family("dejavu-sans", "fonts-dejavu-extra", r"DejaVuSans(-|Condensed)", _VERA),
    _Family("dejavu-serif", "fonts-dejavu-extra", r"DejaVuSerif", _VERA),
    _Family("gillius", "fonts-adf-gillius", r"GilliusADF-", _ADF),
    _Family("universalis", "fonts-adf-universalis", r"UniversalisADFStd-", _ADF),
    _Family("baskervald", "fonts-adf-baskervald", r"BaskervaldADFStd-", _ADF),
    _Family("romande", "fonts-adf-romande", r"RomandeADF(No2)?Std-", _ADF),
    _Family("accanthis", "fonts-adf-accanthis", r"AccanthisADFStd", _ADF),
    _Family("verana-sans", "fonts-adf-verana", r"VeranaSans", _ADF),
    _Family("clear-sans", "fonts-clear-sans", r"ClearSans-", _APACHE),
    _Family("go", "fonts-go", r"Go-(Bold|Italic|Medium|Regular)", "BSD-3-Clause"),
    _Family("dosis", "fonts-dosis", r"Dosis-", _OFL),
    _Family("heros", "fonts-texgyre", r"texgyreheros(cn)?-", _GUST),
)


def build() -> Content:
    """PNG images of 32×32, RGB: 26 capital letters, 24 drawings of each in each family.

    Columns: id ("lato/A/00"), domain (the family), label ("A" … "Z"), group (the face, "Lato-Bold") and image.

    Raises:
        FetchError: this is no Debian-like system, or a package cannot be had.
        InvalidData: a family has fewer faces than a split needs.
    """
    columns: dict[str, list[str | bytes]] = {name: [] for name in ("id", "domain", "label", "group", "image")}
    digest = hashlib.sha256()
    for number, family in enumerate(_FAMILIES):
        rng = np.random.default_rng([_SEED, number])
        with tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
            faces = _faces(family, Path(folder))
            for letter in LETTERS:
                for drawing in range(PER_LETTER):
                    face = faces[drawing % len(faces)]
                    picture = printed(letter, LETTERS, face, rng)
                    digest.update(picture.tobytes() + face.stem.encode())
                    image = io.BytesIO()
                    Image.fromarray(picture).save(image, "PNG")
                    name = f"{family.name}/{letter}/{drawing:02d}"
                    row: tuple[str | bytes, ...] = (name, family.name, letter, face.stem, image.getvalue())
                    for column, value in zip(columns, row, strict=True):
                        columns[column].append(value)
    return Content(pa.table(columns), digest.hexdigest())


def _faces(family: _Family, folder: Path) -> list[Path]:
    """The faces of a family that draw all letters, as files in `folder`, in order of their names."""
    named = re.compile(rf"{family.files}[^/]*\.[ot]tf$")
    found = read_debian(family.package, lambda path: named.match(path.rpartition("/")[2]) is not None)
    faces = {}
    for path, data in sorted(found.items()):
        file = folder / Path(path).name
        file.write_bytes(data)
        font = ImageFont.truetype(str(file), 20)
        if all(font.getmask(letter).getbbox() for letter in LETTERS):
            faces[file.name] = file
    if len(faces) < 5:  # two of them test items, two the client's
        raise InvalidData(
            f"{family.package} has {len(faces)} faces of {family.name}, not 5: its files have changed"
        )
    return [faces[name] for name in sorted(faces)]


LETTERS_BY_FAMILY = DataSet(
    name="letters",
    title="Capital letters in 23 families of type, from Debian packages",
    items=len(_FAMILIES) * len(LETTERS) * PER_LETTER,
    download=38_000_000,
    domains=tuple(
        Domain(
            f.name,
            f"letters of the family {f.name}",
            f"drawn here with the Debian package {f.package}",
            f.licence,
        )
        for f in _FAMILIES
    ),
    encoder="hog",
    version=1,
    fingerprint="e8beeb652e4321e766746f0b7943a5a546ba4750ff4c4d3ec90ffdd83c7d8138",
    build=build,
)
