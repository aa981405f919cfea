"""Emoji in several drawing styles, read out of npm packages: what each code point shows, and its picture."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from proxyset_lab.data.packages import read_npm

NAMES = "emoji-datasource@16.0.0"
FLUENT_3D = "@lobehub/fluent-emoji-3d@1.1.0"
ICONIFY = {
    "twemoji": "1.2.5",
    "fluent-emoji-flat": "1.2.6",
    "emojione": "1.2.3",
    "noto": "1.2.9",
    "noto-v1": "1.2.5",
    "openmoji": "1.2.29",
    "fluent-emoji-high-contrast": "1.2.6",
    "emojione-monotone": "1.2.1",
}
_DRAWN = 256  # pixels, both ways
_AMBIGUOUS = {"cricket"}  # the insect in one set, the game in another


@dataclass(frozen=True)
class Meaning:
    """What a code point shows, in the words of Unicode: a short name and a subcategory ("animal-bird")."""

    short_name: str
    subcategory: str


def code_point(name: str) -> str:
    """One spelling for one emoji: lower case, without variation selectors. "2764-FE0F" → "2764"."""
    return "-".join(part for part in name.lower().split("-") if part != "fe0f")


def meanings() -> dict[str, Meaning]:
    """Code point → meaning, without skin-tone variants. Its table alone is read, none of its pictures."""
    (table,) = read_npm(NAMES, lambda path: path == "emoji.json").values()
    return {
        code_point(entry["unified"]): Meaning(entry["short_name"], entry["subcategory"])
        for entry in json.loads(table)
    }


def iconify_sets() -> dict[str, dict[str, str]]:
    """Set → code point → SVG. Sets without code points of their own are read by the names that others give."""
    read = {name: _icons(name, version) for name, version in ICONIFY.items()}
    by_name: dict[str, str] = {}
    for name in sorted(read):
        for point, icon in read[name][1].items():
            by_name.setdefault(icon, code_point(point))
    sets = {}
    for name, (icons, points) in read.items():
        named = {code_point(point): icon for point, icon in points.items()}
        if not points:
            for icon in [*icons["icons"], *icons.get("aliases", {})]:
                if icon in by_name and icon not in _AMBIGUOUS:
                    named.setdefault(by_name[icon], icon)
        sets[name] = {point: _svg(icons, icon) for point, icon in sorted(named.items())}
    return sets


def fluent_3d() -> dict[str, bytes]:
    """Code point → WebP file."""
    files = read_npm(FLUENT_3D, lambda path: path.startswith("assets/") and path.endswith(".webp"))
    return {
        code_point(path.removeprefix("assets/").removesuffix(".webp")): files[path] for path in sorted(files)
    }


def draw(svg: str) -> Image.Image:
    """An SVG as an RGBA picture."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=_DRAWN, height=_DRAWN))
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _icons(name: str, version: str) -> tuple[dict[str, Any], dict[str, str]]:
    package = f"@iconify-json/{name}@{version}"
    files = read_npm(package, lambda path: path in ("icons.json", "chars.json"))
    return json.loads(files["icons.json"]), json.loads(files["chars.json"])


def _svg(icons: dict[str, Any], name: str) -> str:
    """The icon as a document of its own; an alias is drawn as its parent is."""
    icon = icons["icons"].get(name) or icons["icons"][icons["aliases"][name]["parent"]]
    left, top = icon.get("left", 0), icon.get("top", 0)
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}" color="#000">{icon["body"]}</svg>'
    )


def styles() -> dict[str, list[dict[str, str] | dict[str, bytes]]]:
    """Style → its sets, each code point → picture (SVG text, or the bytes of a WebP file)."""
    sets = iconify_sets()
    return {
        "3d": [fluent_3d()],
        "flat": [sets["twemoji"], sets["fluent-emoji-flat"], sets["emojione"]],
        "gradient": [sets["noto"], sets["noto-v1"]],
        "outline": [sets["openmoji"]],
        "mono": [sets["fluent-emoji-high-contrast"], sets["emojione-monotone"]],
    }


def pictures(
    style: list[dict[str, str] | dict[str, bytes]], points: list[str]
) -> Iterator[tuple[str, int, Image.Image]]:
    """(code point, number of the set, picture) of every point that a set of the style has."""
    for number, pictured in enumerate(style):
        for point in points:
            source = pictured.get(point)
            if isinstance(source, str):
                yield point, number, draw(source)
            elif source is not None:
                yield point, number, Image.open(io.BytesIO(source)).convert("RGBA")
