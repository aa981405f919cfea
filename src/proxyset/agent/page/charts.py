"""Charts of the owner's page as inline SVG. Colours come from classes, so they follow light and dark; each has a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from proxyset.agent.page.question import Share
from proxyset.client.chain import Entry

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 640, 194, 74, 14, 30


def burn_down(entries: Sequence[Entry], cap: float) -> Markup:
    """What was left of the budget after each answer, as a share of the cap in force (ρ)."""
    costs = [entry.rho or 0.0 for entry in entries if entry.kind == "debit"]
    left = np.maximum(0.0, 1 - np.concatenate([[0.0], np.cumsum(costs)]) / cap)
    step = (_WIDTH - _LEFT - 10) / max(1, len(costs))
    floor = _HEIGHT - _BOTTOM

    def y(share: float) -> float:
        return _TOP + (1 - share) * (floor - _TOP)

    path = f"M{_LEFT} {y(left[0]):.1f}"
    for number, share in enumerate(left[1:], start=1):
        path += f"H{_LEFT + number * step:.1f}V{y(share):.1f}"
    if not costs:
        path += f"H{_WIDTH - 10}"
    end = _LEFT + len(costs) * step if costs else _WIDTH - 10
    parts = [
        f'<path class="axis" d="M{_LEFT} {y(tick):.1f}H{_WIDTH - 10}"/>'
        f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick * 100:.0f} %</text>'
        for tick in (0, 0.25, 0.5, 0.75, 1)
    ]
    parts += [
        f'<path class="room" d="{path}V{floor}H{_LEFT}Z"/>',
        f'<path class="burn" d="{path}"/>',
        f'<circle class="dot" cx="{end:.1f}" cy="{y(left[-1]):.1f}" r="4"/>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">first answer</text>' if costs else "",
        f'<text x="{_WIDTH - 10}" y="{_HEIGHT - 6}" text-anchor="end">now</text>',
    ]
    label = (
        f"Privacy budget left after each of {len(costs)} answers, in percent of the cap: from 100 to "
        f"{100 * left[-1]:.0f}. The table below has every number."
    )
    return _svg(_WIDTH, _HEIGHT, label, parts)


def cost_bar(share: Share) -> Markup:
    """One cap: what is spent, what this answer takes, what is left."""
    spent, cost = min(1.0, share.spent / share.cap), min(1.0, share.cost / share.cap)
    width = min(cost, 1 - spent) if share.fits else 1 - spent
    kind = "this" if share.fits else "over"
    label = f"{100 * spent:.0f} percent spent, {100 * cost:.0f} percent for this answer"
    return Markup(
        '<svg class="bar" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="track" width="1000" height="20"/><rect class="spent" width="{}" height="20"/>'
        '<rect class="{}" x="{}" width="{}" height="20"/></svg>'
    ).format(label, f"{1000 * spent:.1f}", kind, f"{1000 * spent:.1f}", f"{max(4.0, 1000 * width):.1f}")


def counts_chart(noisy: NDArray[np.float64], true: NDArray[np.float64] | None = None) -> Markup:
    """The noisy counts, in records, as bars, one a reference point; true ones as outlines over them."""
    shown = noisy if true is None else np.concatenate([noisy, true])
    low, high = min(0.0, float(shown.min())), max(1.0, float(shown.max()))
    scale, width = (_HEIGHT - 20) / (high - low), (_WIDTH - 20) / len(noisy)
    zero = 10 + high * scale
    parts = [f'<path class="axis" d="M10 {zero:.1f}H{_WIDTH - 10}"/>']
    for j, count in enumerate(noisy.tolist()):
        below = " below" if count < 0 else ""
        top, tall = zero - max(count, 0) * scale, max(abs(count) * scale, 0.5)
        parts.append(_bar(f"count{below}", j, width, top, tall))
        if true is not None and true[j]:
            parts.append(_bar("count-true", j, width, zero - true[j] * scale, true[j] * scale))
    label = f"{len(noisy)} noisy counts from {noisy.min():.0f} to {noisy.max():.0f}. The table below has every number."
    return _svg(_WIDTH, _HEIGHT, label, parts)


def _bar(name: str, j: int, width: float, top: float, tall: float) -> str:
    gap = min(1.0, width / 6)
    return f'<rect class="{name}" x="{10 + j * width + gap:.2f}" y="{top:.1f}" width="{width - 2 * gap:.2f}" height="{tall:.1f}"/>'


def _svg(width: int, height: int, label: str, parts: Sequence[str]) -> Markup:
    opening = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        width, height, label
    )
    return opening + Markup("".join(parts)) + Markup("</svg>")
