"""Numbers as a row of small bars: how results look in a notebook. SVG as text, without a library."""

from __future__ import annotations

import html
from collections.abc import Sequence

_WIDTH, _HEIGHT, _MOST = 480, 72, 240
_STYLE = "font-family:sans-serif;font-size:13px;max-width:40em"


def bars(values: Sequence[float], label: str, spread: float = 0.0) -> str:
    """One bar a number, in order, above and below a line at 0; of more than 240, neighbours are added up.

    Args:
        values: finite numbers.
        label: what they are, for those who do not see them.
        spread: a grey band from −spread to +spread, such as the σ of their noise.
    """
    step = -(-len(values) // _MOST) or 1
    heights = [float(sum(values[start : start + step])) for start in range(0, len(values), step)]
    spread *= step**0.5
    top, bottom = max(0.0, spread, *heights), min(0.0, -spread, *heights)
    scale = _HEIGHT / ((top - bottom) or 1.0)
    wide = _WIDTH / max(1, len(heights))
    zero = top * scale
    shapes = [
        f'<rect x="{place * wide:.2f}" y="{zero - max(value, 0) * scale:.2f}" width="{max(wide - 1, 0.6):.2f}" '
        f'height="{abs(value) * scale:.2f}" fill="{"#2a6fb0" if value >= 0 else "#b05a2a"}"/>'
        for place, value in enumerate(heights)
    ]
    band = f'<rect x="0" y="{zero - spread * scale:.2f}" width="{_WIDTH}" height="{2 * spread * scale:.2f}" fill="#8884"/>'
    line = f'<line x1="0" x2="{_WIDTH}" y1="{zero:.2f}" y2="{zero:.2f}" stroke="#888"/>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{html.escape(label)}">{band if spread else ""}{"".join(shapes)}{line}</svg>'
    )


def shown(title: str, facts: Sequence[str], picture: str = "", caption: str = "") -> str:
    """A title, facts, and a picture under them, as HTML; all text is escaped.

    Args:
        title, facts, caption: text.
        picture: HTML that was made here.
    """
    listed = "".join(f"<div>{html.escape(fact)}</div>" for fact in facts)
    below = f"<div><small>{html.escape(caption)}</small></div>" if caption else ""
    return f'<div style="{_STYLE}"><b>{html.escape(title)}</b>{listed}{picture}{below}</div>'
