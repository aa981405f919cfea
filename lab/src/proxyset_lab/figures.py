"""Curves as SVG that needs nothing else: colours are in the file and follow light and dark."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from proxyset.demo.statistics import Spread
from proxyset_lab.cell import own_share
from proxyset_lab.experiment import Experiment
from proxyset_lab.summary import Line
from proxyset_lab.tables import caption, method_name

_WIDTH, _HEIGHT = 520, 320
_SHORT = 30  # characters of a name that has room beside another
_LONGEST = 64  # of a line of the title
_ZERO = 2.5  # zero is drawn where the smallest share divided by this would be
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 30, 46
_COLOURS = (
    "#3f7fc1",
    "#c46a1b",
    "#2f8f6b",
    "#9a5fb8",
    "#c0435f",
    "#8a7a1f",
    "#4a8f9e",
    "#7d7d7d",
    "#5b6470",
    "#b06f9c",
)
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#565d64}.grid{stroke:#dedbd3}"
    "@media(prefers-color-scheme:dark){text{fill:#a3a9b0}.grid{stroke:#343a40}}"
)
_AXES: dict[str, tuple[str, Callable[[Line], float | None]]] = {
    "epsilon": ("ε", lambda line: line.setting.epsilon),
    "budget": ("budget", lambda line: line.budget),
    "clusters": ("R, number of centroids", lambda line: line.setting.clusters),
    "own-share": ("pool's share of the client's kind, in %", lambda line: _percent(line.setting.pool)),
    "bytes": ("bytes down + up", lambda line: (line.bytes_down + line.bytes_up) or None),
}


def _percent(pool: str) -> float | None:
    share = own_share(pool)
    return None if share is None else round(100 * share, 6)


def figures(experiment: Experiment, lines: Sequence[Line]) -> dict[str, str]:
    """Name → SVG, one a data set, pool and (unless it is the axis) budget; empty without an axis."""
    if experiment.axis is None:
        return {}
    out = {}
    for data in experiment.data:
        for pools in experiment.pools_together:
            for designed in (False, True):
                for budget in (None,) if experiment.axis == "budget" else data.budgets:
                    here = [
                        line
                        for line in lines
                        if line.setting[:3] in [(data.name, pool, designed) for pool in pools]
                        and budget in (None, line.budget)
                    ]
                    if here:
                        name = f"{data.name}{'-designed' * designed}"
                        name += f"-{pools[0].replace('+', '-')}" if len(pools) == 1 else ""
                        name += f"-{budget}" if budget else ""
                        title = caption(experiment, here[0]) + (f", budget {budget:,}" if budget else "")
                        out[name] = curve(title, experiment.axis, here)
    return out


@dataclass(frozen=True)
class Curve:
    """Spreads over an axis; one without points is a level line."""

    name: str
    points: list[tuple[float, Spread]]
    level: Spread | None = None


def curve(title: str, axis: str, lines: Sequence[Line]) -> str:
    """The metric over a logarithmic axis; a method without a value on it is a level line. Bars are ± 1 sd."""
    label, value = _AXES[axis]
    curves = []
    several = axis != "clusters" and len({line.setting.clusters for line in lines} - {None}) > 1
    groups: dict[tuple[str, int | None], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.setting.method, line.setting.clusters if several else None), []).append(line)
    for (name, clusters), own in groups.items():
        points = [(at, line.accuracy) for line in own if (at := value(line)) is not None]
        shown = method_name(name) + (f", R = {clusters}" if clusters else "")
        curves.append(Curve(shown, points, own[0].accuracy))
    return draw(title, label, curves)


def draw(title: str, label: str, curves: Sequence[Curve]) -> str:
    """Curves over a logarithmic axis, on which zero stands a step before the smallest. Bars are ± 1 sd."""
    xs = sorted({at for one in curves for at, _ in one.points}) or [1.0]
    smallest = min((at for at in xs if at > 0), default=1.0)
    start = xs[0] or smallest / _ZERO
    span = math.log((xs[-1] or smallest) / start) or 1.0
    spreads = [spread for one in curves for _, spread in one.points]
    spreads += [one.level for one in curves if one.level and not one.points]
    low = math.floor(100 * min(s.mean - s.sd for s in spreads))
    high = math.ceil(100 * max(s.mean + s.sd for s in spreads))
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500) if (high - low) / s <= 8)
    low, high = low // step * step, -(-high // step) * step
    beside = 1 if any(len(one.name) > _SHORT for one in curves) else 2  # names of the legend in a line
    height = _HEIGHT + 16 * math.ceil(len(curves) / beside)

    said = textwrap.wrap(title, _LONGEST)
    above = _TOP + 15 * (len(said) - 1)

    def x(at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log((at or start) / start) / span)

    def y(score: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - above - _BOTTOM) * (100 * score - low) / (high - low)

    parts = [
        f'<text x="{_LEFT}" y="{16 + 15 * number}" font-weight="600">{escape(line)}</text>'
        for number, line in enumerate(said)
    ]
    for tick in range(low, high + 1, step):
        at = y(tick / 100)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick}</text>')
    last = -math.inf
    for tick_x in xs:
        if x(tick_x) - last > 34:
            last = x(tick_x)
            parts.append(
                f'<text x="{last:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{tick_x:g}</text>'
            )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>')
    for number, one in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = "" if number < len(_COLOURS) / 2 else ' stroke-dasharray="5 3"'
        level = [(xs[0], one.level), (xs[-1], one.level)] if one.level else []
        points = [(x(at), spread) for at, spread in one.points or level]
        points.sort(key=lambda point: point[0])
        path = " ".join(f"{px:.1f},{y(spread.mean):.1f}" for px, spread in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{path}"/>')
        for px, spread in points:
            top, bottom = y(spread.mean + spread.sd), y(spread.mean - spread.sd)
            parts.append(
                f'<line stroke="{colour}" x1="{px:.1f}" x2="{px:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
            )
        left, line_y = _LEFT + (number % beside) * 230, _HEIGHT + 16 * (number // beside) + 4
        parts.append(
            f'<line stroke="{colour}" stroke-width="2"{dash} x1="{left}" x2="{left + 24}" y1="{line_y}" y2="{line_y}"/>'
        )
        parts.append(f'<text x="{left + 30}" y="{line_y + 4}">{escape(one.name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><style>{_STYLE}</style>{"".join(parts)}</svg>'
    )
