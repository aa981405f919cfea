"""Charts as inline SVG: colours come from the page's classes, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape

from proxyset.demo.results import ALL_OWN, METHODS, WHOLE_POOL, Results
from proxyset.demo.statistics import Spread

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 400, 62, 6, 394, 8
_LANE = {
    "density-ratio": -10.5,
    "ecos": -3.5,
    "random": 3.5,
    "k-center": 10.5,
}  # so that whiskers do not cover each other


def accuracy_chart(results: Results, budget: int) -> str:
    """Accuracy of every method at one budget: a row a domain and one for the average; whiskers are ± 1 sd."""
    rows: list[str | None] = [*results.domains]
    if len(rows) > 1:
        rows.append(None)
    spreads = {
        (row, m): results.accuracy(m, budget, row) for row in rows for m in (*METHODS, ALL_OWN, WHOLE_POOL)
    }
    low = math.floor(min(s.mean - s.sd for s in spreads.values()) * 10) / 10

    def x(value: float) -> float:
        return _LEFT + (value - low) / (1 - low) * (_RIGHT - _LEFT)

    height = _TOP + _ROW * len(rows) + 22
    parts = []
    for tick in range(round(low * 10), 11):
        at = x(tick / 10)
        anchor = "end" if tick == 10 else "start" if at == _LEFT else "middle"
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{height - 20}"/>')
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{height - 6}" text-anchor="{anchor}">{tick * 10}</text>'
        )
    for number, row in enumerate(rows):
        top = _TOP + _ROW * number
        gain = 100 * (spreads[row, "ecos"].mean - spreads[row, "random"].mean)
        name = "average" if row is None else row
        weight = "name strong" if row is None else "name"
        parts.append(f'<text class="{weight}" x="{_LEFT}" y="{top + 13}">{escape(name)}</text>')
        ahead = f"{signed(gain)} over random"
        parts.append(f'<text class="{weight}" x="{_RIGHT}" y="{top + 13}" text-anchor="end">{ahead}</text>')
        middle = top + 36
        parts += [_reference(x(spreads[row, m].mean), middle, m) for m in (ALL_OWN, WHOLE_POOL)]
        parts += [_mark(x, spreads[row, m], middle + _LANE[m], m) for m in reversed(METHODS)]
    average = None if len(rows) > 1 else rows[0]
    summary = "; ".join(f"{m} {100 * spreads[average, m].mean:.1f} %" for m in METHODS)
    label = escape(
        f"Accuracy with {budget} picked images. Average: {summary}. The table below has every number."
    )
    opening = f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
    return f"{opening}{''.join(parts)}</svg>"


def symbol(method: str) -> str:
    """The mark of a method alone, for a legend."""
    inner = _reference(8, 8, method, 6) if method in (ALL_OWN, WHOLE_POOL) else _shape(8, 8, method)
    return f'<svg class="symbol" viewBox="0 0 16 16" aria-hidden="true">{inner}</svg>'


def signed(points: float) -> str:
    """+9.5 or −0.3, with a true minus."""
    return f"{'−' if round(points, 1) < 0 else '+'}{abs(points):.1f}"


def _mark(x: Callable[[float], float], spread: Spread, y: float, method: str) -> str:
    low, high = x(spread.mean - spread.sd), min(x(spread.mean + spread.sd), _RIGHT)
    name = _css(method)
    whisker = f'<line class="whisker {name}" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return whisker + _shape(x(spread.mean), y, method)


def _shape(x: float, y: float, method: str) -> str:
    if method == "density-ratio":
        return f'<path class="mark density-ratio" d="M{x:.1f} {y - 5.5:.1f}l5.5 10h-11z"/>'
    if method == "ecos":
        return f'<circle class="mark ecos" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    if method == "random":
        return f'<path class="mark random" d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>'
    return f'<rect class="mark k-center" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'


def _reference(x: float, y: float, method: str, reach: float = 16) -> str:
    ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{y - reach}" y2="{y + reach}"'
    return f'<line class="reference {_css(method)}" {ends}/>'


def _css(method: str) -> str:
    return method.replace(" ", "-")
