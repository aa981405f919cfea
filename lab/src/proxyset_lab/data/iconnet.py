"""Twelve kinds of things in seven ways of showing them: a small stand-in for DomainNet, built from packages.

Photographs and clip art come from two Debian packages, five styles of emoji from npm. The emoji of one code point
show one thing, so the column `group` holds the code point: a split keeps a group on one side.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
from PIL import Image

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset.errors import FetchError
from proxyset_lab.data import emoji
from proxyset_lab.data.packages import read_debian

SIZE = 224  # pixels, both ways
_RIM = 0.06  # of the side, left white around the thing
_SEEN = 8  # alpha above this is part of the thing
_LARGE = 512  # pixels; larger pictures are reduced to this first
_CLIPART, _STAMPS = "openclipart-png", "tuxpaint-stamps-default"
_CLIPART_ROOT, _STAMPS_ROOT = "/usr/share/openclipart/png/", "/usr/share/tuxpaint/stamps/"


@dataclass(frozen=True)
class _Class:
    """Where a class is found: folders of clip art, folders of stamps, Unicode subcategories of emoji."""

    clipart: tuple[str, ...]
    stamps: tuple[str, ...]
    emoji: tuple[str, ...]


_CLASSES = {
    "mammal": _Class(("animals/mammals",), ("animals/mammals", "animals/marsupials"), ("animal-mammal",)),
    "bird": _Class(("animals/birds",), ("animals/birds",), ("animal-bird",)),
    "bug": _Class(("animals/bugs",), ("animals/insects",), ("animal-bug",)),
    "marine": _Class(
        ("animals/fish",),
        ("animals/fish", "animals/shellfish", "animals/mammals/aquatic"),
        ("animal-marine",),
    ),
    "fruit": _Class(("food/fruit",), ("food/fruit",), ("food-fruit",)),
    "vegetable": _Class(("food/vegetables",), ("food/vegetables",), ("food-vegetable",)),
    "flower": _Class(("plants/flowers",), ("plants/flowers",), ("plant-flower",)),
    "clothing": _Class(("people/clothing",), ("clothes",), ("clothing",)),
    "vehicle": _Class(("transportation/vehicles",), ("vehicles",), ("transport-ground",)),
    "music": _Class(("recreation/music",), ("hobbies/music",), ("musical-instrument", "music")),
    "sport": _Class(("recreation/sports",), ("sports",), ("sport",)),
    "tool": _Class(("tools",), ("household/tools",), ("tool",)),
}
# of the many signs and parts in "transport-ground", those that are vehicles
_VEHICLES = """
steam_locomotive railway_car bullettrain_side bullettrain_front train2 metro light_rail tram monorail
mountain_railway train bus oncoming_bus trolleybus minibus ambulance fire_engine police_car oncoming_police_car
taxi oncoming_taxi car red_car oncoming_automobile blue_car pickup_truck truck articulated_lorry tractor
racing_car racing_motorcycle motorcycle motor_scooter manual_wheelchair motorized_wheelchair auto_rickshaw bike
scooter skateboard roller_skate
"""

_EMOJI = "as carried by the npm package"
_DOMAINS = (
    Domain(
        "photo", "photographs, cut out", f"Tux Paint stamps, Debian package {_STAMPS}", "GPL-2.0 and others"
    ),
    Domain("clipart", "clip art", f"Open Clip Art Library, Debian package {_CLIPART}", "public domain"),
    Domain("3d", "emoji in three dimensions", f"Microsoft Fluent Emoji, {_EMOJI} {emoji.FLUENT_3D}", "MIT"),
    Domain(
        "flat",
        "flat emoji",
        f"Twemoji, Fluent Emoji Flat, EmojiOne v1, {_EMOJI}s @iconify-json/…",
        "CC BY 4.0 (Twemoji, EmojiOne), MIT (Fluent)",
    ),
    Domain(
        "gradient",
        "emoji with shading",
        f"Noto Emoji, two generations, {_EMOJI}s @iconify-json/noto…",
        "Apache-2.0",
    ),
    Domain(
        "outline", "emoji as coloured outlines", f"OpenMoji, {_EMOJI} @iconify-json/openmoji", "CC BY-SA 4.0"
    ),
    Domain(
        "mono",
        "emoji in one colour",
        f"Fluent Emoji High Contrast, EmojiOne Monotone, {_EMOJI}s @iconify-json/…",
        "MIT (Fluent), CC BY 4.0 (EmojiOne)",
    ),
)


def build() -> Content:
    """RGB PNG images of 224×224: the thing on white, its box centred. Images that occur twice are kept once.

    Columns: id, domain, label, group (code point, or file name), image. Without the two Debian packages the
    domains "photo" and "clipart" are absent, and the note says so.

    Raises:
        FetchError: npm or its packages cannot be had.
    """
    rows, notes = [], []
    for domain, package, root in (("photo", _STAMPS, _STAMPS_ROOT), ("clipart", _CLIPART, _CLIPART_ROOT)):
        try:
            rows += list(_files(domain, package, root))
        except FetchError as error:
            notes.append(f"without the domain {domain!r}: {error}")
    rows += list(_emoji())

    digest = hashlib.sha256()
    seen: set[bytes] = set()
    columns: dict[str, list[str | bytes]] = {name: [] for name in ("id", "domain", "label", "group", "image")}
    for domain, label, group, name, picture in rows:
        pixels = square(picture)
        if pixels is None or (key := hashlib.sha256(pixels.tobytes()).digest()) in seen:
            continue
        seen.add(key)
        digest.update(key)
        digest.update(f"{domain}/{label}/{group}".encode())
        image = io.BytesIO()
        pixels.save(image, "PNG")
        values: tuple[str | bytes, ...] = (name, domain, label, group, image.getvalue())
        for column, value in zip(columns, values, strict=True):
            columns[column].append(value)
    return Content(pa.table(columns), digest.hexdigest(), "; ".join(notes))


_Row = tuple[str, str, str, str, Image.Image]


def _files(domain: str, package: str, root: str) -> Iterator[_Row]:
    """Pictures of a Debian package, by folder. Of a picture and its mirror image only the first counts."""
    mirrored = ("_mirror", "_flip", "cartoon/")
    files = read_debian(
        package,
        lambda path: path.startswith(root) and path.endswith(".png") and not any(m in path for m in mirrored),
    )
    taken = set()
    for label, where in _CLASSES.items():
        folders = where.stamps if domain == "photo" else where.clipart
        # the more particular folder claims a file: stamps of aquatic mammals are "marine"
        for path in sorted(files):
            below = path.removeprefix(root)
            if not any(below.startswith(f"{folder}/") for folder in folders) or path in taken:
                continue
            if label == "mammal" and below.startswith("animals/mammals/aquatic/"):
                continue
            taken.add(path)
            picture = _opened(files[path])
            if picture is not None:
                yield domain, label, PurePosixPath(path).stem, f"{domain}/{below}", picture


def _opened(data: bytes) -> Image.Image | None:
    """A picture, reduced; None for the few old files that do not decode or are posters of 170 megapixels."""
    with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
        try:
            picture = Image.open(io.BytesIO(data))
            picture.thumbnail((_LARGE, _LARGE))
            return picture.convert("RGBA")
        except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            return None


def _emoji() -> Iterator[_Row]:
    shown, vehicles = emoji.meanings(), set(_VEHICLES.split())
    for domain, style in emoji.styles().items():
        for label, where in _CLASSES.items():
            points = sorted(
                point
                for point, meaning in shown.items()
                if meaning.subcategory in where.emoji
                and (label != "vehicle" or meaning.short_name in vehicles)
            )
            for point, number, picture in emoji.pictures(style, points):
                yield domain, label, point, f"{domain}/{number}/{point}", picture


def square(picture: Image.Image) -> Image.Image | None:
    """The visible part of an RGBA picture, centred on white: (SIZE, SIZE) RGB; None when nothing is visible."""
    alpha = np.asarray(picture.getchannel("A")) > _SEEN
    if not alpha.any():
        return None
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    thing = picture.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    scale = SIZE * (1 - 2 * _RIM) / max(thing.size)
    width, height = (max(1, round(side * scale)) for side in thing.size)
    thing = thing.resize((width, height), Image.Resampling.BICUBIC)
    ground = Image.new("RGBA", (SIZE, SIZE), "white")
    ground.alpha_composite(thing, ((SIZE - width) // 2, (SIZE - height) // 2))
    return ground.convert("RGB")


ICONNET = DataSet(
    name="iconnet",
    title="Twelve kinds of things in seven styles, from npm and Debian packages",
    items=3664,
    download=345_000_000,
    domains=_DOMAINS,
    encoder="efficientnet-lite0",
    version=1,
    fingerprint="26af9df22b0456369863ab9ec3593ef7f4ba835e1a7eafe86ce035985b88f308",
    build=build,
)
