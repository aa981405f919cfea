"""The report of a training: one HTML file without scripts that needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from proxyset.page.document import data_uri
from proxyset.page.environment import environment
from proxyset.train.evaluate import Evaluation

_SHOWN = 16  # wrong ones, and as many of all
_LEFT, _TOP, _SIDE = 42, 10, 260


@dataclass(frozen=True)
class Sample:
    """A test image and what the model said.

    Attributes:
        image: data URI of a PNG.
        truth, guess: classes.
        sureness: probability of the guess.
    """

    image: str
    truth: str
    guess: str
    sureness: float


@dataclass(frozen=True)
class Report:
    """What is shown.

    Attributes:
        title: of the page.
        facts: name and value, about data, method, model and export.
        classes: in the order of the confusion matrix.
        evaluation: None when there was nothing to test on.
        tested_on: what it was measured on, in a few words.
        mistakes, samples: test images, the surest mistakes and some of all; empty where items are not images.
        notes: sentences about what was left out or went otherwise than asked.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    evaluation: Evaluation | None
    tested_on: str = ""
    mistakes: tuple[Sample, ...] = ()
    samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()


def pick_samples(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    classes: Sequence[str],
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """The surest mistakes, and some of all by chance: at most 16 each.

    Args:
        pixels: (n, 3, S, S).
        labels: (n,).
        probabilities: (n, K).
    """
    guess, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(guess != labels)
    wrong = wrong[np.argsort(-sureness[wrong], kind="stable")][:_SHOWN]
    some = np.random.default_rng(0).permutation(len(labels))[:_SHOWN]

    def sample(row: int) -> Sample:
        return Sample(_uri(pixels[row]), classes[labels[row]], classes[guess[row]], float(sureness[row]))

    return tuple(map(sample, wrong)), tuple(map(sample, some))


def render(report: Report) -> str:
    """The report as HTML."""
    templates = environment("proxyset.train")
    templates.filters["percent"] = lambda share: f"{100 * share:.1f}"
    values: dict[str, Any] = {"report": report, "shade": _shade}
    if report.evaluation:
        values["curve"] = Markup(reliability_chart(report.evaluation))
    return templates.get_template("report.html.j2").render(values)


def reliability_chart(evaluation: Evaluation) -> str:
    """Accuracy over confidence as SVG; a dot's area follows the number of items."""

    def x(share: float) -> float:
        return _LEFT + share * _SIDE

    def y(share: float) -> float:
        return _TOP + (1 - share) * _SIDE

    parts = []
    for tick in range(0, 11, 2):
        share = tick / 10
        parts.append(f'<line class="grid" x1="{x(0)}" x2="{x(1)}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>')
        parts.append(f'<text x="{x(0) - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{tick * 10}</text>')
        parts.append(f'<text x="{x(share):.1f}" y="{y(0) + 16}" text-anchor="middle">{tick * 10}</text>')
    parts.append(f'<line class="even" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>')
    full = [found for found in evaluation.bins if found.items]
    points = " ".join(f"{x(found.confidence):.1f},{y(found.accuracy):.1f}" for found in full)
    parts.append(f'<polyline class="curve" points="{points}"/>')
    most = max(found.items for found in full)
    for found in full:
        radius = 2.5 + 6 * (found.items / most) ** 0.5
        told = escape(
            f"{found.items} items, confidence {100 * found.confidence:.0f} %, accuracy {100 * found.accuracy:.0f} %"
        )
        parts.append(
            f'<circle class="dot" cx="{x(found.confidence):.1f}" cy="{y(found.accuracy):.1f}" r="{radius:.1f}">'
            f"<title>{told}</title></circle>"
        )
    middle, below = x(0.5), y(0) + 34
    parts.append(f'<text x="{middle}" y="{below}" text-anchor="middle">confidence, %</text>')
    parts.append(
        f'<text transform="translate(12 {y(0.5)}) rotate(-90)" text-anchor="middle">accuracy, %</text>'
    )
    label = escape(
        f"Reliability curve: expected calibration error {100 * evaluation.calibration_error:.1f} %. "
        + "; ".join(
            f"confidence {100 * found.confidence:.0f} %: accuracy {100 * found.accuracy:.0f} %"
            for found in full
        )
    )
    size = f"0 0 {_LEFT + _SIDE + 14} {_TOP + _SIDE + 40}"
    return f'<svg class="chart" viewBox="{size}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _shade(count: int, row: Sequence[int]) -> int:
    """Darkness of a cell of the confusion matrix, 0 … 9: its share of the row."""
    total = sum(row)
    return 0 if not total else min(9, int(np.ceil(9 * count / total)))


def _uri(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, "PNG")
    return data_uri(buffer.getvalue())
