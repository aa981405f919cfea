"""Look at a probe of medoids, or at questions: are their items what the server claims, and what are they?

The hash tree binds an item's id and features. The item itself, a picture or a text, is bound by encoding it again here: if
the features differ from the claimed ones, the server shows one thing and asks about another.

Tolerance: a distance of 10 % of the features' length is accepted, and refused above. Claimed features were rounded to float16
(0.03 %, measured with HOG on digits-small) and computed on another machine, whose decoder may round pixels by a level (5.6 %
in the median, 19 % at worst, if it did so at every pixel); the most similar other image of that data is 30 % away. A probe
within the tolerance asks, to 10 %, about the item that it shows.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset import atomic
from proxyset.encoders.drawn import drawn
from proxyset.encoders.encoder import Encoder
from proxyset.errors import InvalidInput, Refused
from proxyset.wire.medoids import Medoids
from proxyset.wire.probe import Probe
from proxyset.wire.questions import Questions

TOLERANCE = 0.1


def check_items(probe: Probe, encoder: Encoder) -> int:
    """Encode the items that a probe carries, and return how many were checked; 0 when it carries none.

    Args:
        probe: whose medoids are checked.
        encoder: the owner's own, with the probe's fingerprint.

    Sensitivity:
        None: it looks at the probe alone.
    Unit:
        None.
    Guarantee:
        Every medoid's features are those of the item shown, to 10 % of their length.
    Assumes:
        The encoder takes hostile pictures and texts without harm: it is the one that reads the private data.

    Raises:
        Refused: an item cannot be encoded, or its features are not those claimed.
    """
    medoids = probe.medoids
    if medoids is None or medoids.contents is None:
        return 0
    return _check("probe", medoids.ids, medoids.contents, medoids.embeddings, encoder)


def check_questions(questions: Questions, encoder: Encoder, first: int | None = None) -> int:
    """Encode the items that questions carry, and return how many were checked; 0 when they carry none.

    Args:
        questions: whose items are checked.
        encoder: the owner's own, with the questions' fingerprint.
        first: check so many only; all by default.

    Sensitivity:
        None: it looks at the questions alone.
    Unit:
        None.
    Guarantee:
        The features of every item checked are those of the item shown, to 10 % of their length. No hash tree binds them: that
        the item is of a public pool is the cloud's word.
    Assumes:
        As `check_items`.

    Raises:
        Refused: an item cannot be encoded, or its features are not those claimed.
    """
    if questions.contents is None:
        return 0
    return _check("set of questions", questions.ids[:first], questions.contents, questions.X, encoder)


def _check(
    what: str,
    ids: Sequence[str],
    contents: Sequence[bytes],
    claims: NDArray[np.float32],
    encoder: Encoder,
) -> int:
    for item, name in enumerate(ids):
        claimed = claims[item].astype(np.float64)
        try:
            value = contents[item].decode() if encoder.kind == "text" else contents[item]
            encoded = encoder.encode([value])
            problem = encoded.problems.get(0, "")
        except UnicodeDecodeError:
            problem = "not UTF-8"
        if problem:
            raise Refused(f"the {what}'s item {name!r} cannot be encoded ({problem}): do not answer it")
        own = encoded.embeddings[0].astype(np.float64)
        distance, size = float(np.linalg.norm(own - claimed)), float(np.linalg.norm(own))
        if distance > TOLERANCE * size:
            raise Refused(
                f"the {what}'s item {name!r} is not what it claims: its features are {distance:.3g} away from the claimed "
                f"ones, of length {size:.3g}; {TOLERANCE:.0%} is accepted. Do not answer this {what}"
            )
    return len(ids)


def write_items(probe: Probe, out: str | os.PathLike[str]) -> list[Path]:
    """Write the items that a probe carries into a new folder, with an index.html that shows them.

    Pictures are drawn anew as the encoder takes them, texts are escaped: nothing of the server's runs in the browser.

    Raises:
        InvalidInput: the probe carries no items.
        FileExistsError: `out` is not empty.
    """
    if probe.medoids is None or probe.medoids.contents is None:
        what = "no items with its medoids" if probe.medoids else "centroids, which are no items"
        raise InvalidInput(f"there is nothing to look at: this probe has {what}")
    with atomic.new_folder(out) as folder:
        names = [_write(folder, number, content) for number, content in enumerate(probe.medoids.contents)]
        (folder / "index.html").write_text(_page(probe, probe.medoids, names, folder), encoding="utf-8")
    return [Path(out) / name for name in names]


def _write(folder: Path, number: int, content: bytes) -> str:
    if png := drawn(content):
        (folder / f"{number:05d}.png").write_bytes(png)
        return f"{number:05d}.png"
    name = f"{number:05d}.txt"
    (folder / name).write_text(content.decode(errors="replace"), encoding="utf-8")
    return name


def _page(probe: Probe, medoids: Medoids, names: Sequence[str], folder: Path) -> str:
    figures = []
    for name, item in zip(names, medoids.ids, strict=True):
        if name.endswith(".png"):
            body = f'<img src="{name}" alt="">'
        else:
            body = f"<blockquote>{html.escape((folder / name).read_text(encoding='utf-8'))}</blockquote>"
        figures.append(f"<figure>{body}<figcaption>{html.escape(item)}</figcaption></figure>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A probe of medoids</title>'
        "<style>body{font:16px sans-serif;margin:2em}figure{display:inline-block;margin:.5em;max-width:20em;"
        "vertical-align:top}img{width:8em}figcaption{color:#555;overflow-wrap:anywhere}</style>"
        f"<h1>{len(names)} items that a server asks about</h1>"
        f"<p>Each of your records will be counted for the item most like it. Purpose, in the server's words: "
        f"“{html.escape(probe.purpose)}”. The items are out of an index of {medoids.items:,}, committed to as "
        f"<code>{medoids.commitment}</code>.</p>{''.join(figures)}</html>\n"
    )
