"""A line of numbers, small, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from proxyset.printable import printable

_WIDTH, _HEIGHT = 300, 80


def spark(points: Sequence[tuple[int, float]], name: str) -> Markup:
    """A line through (step, value) points, with its ends in words for those who do not see it."""
    steps, values = [step for step, _ in points], [value for _, value in points]
    low, high = min(values), max(values)
    wide, tall = max(1, steps[-1] - steps[0]), (high - low) or 1.0
    path = " ".join(
        f"{4 + (step - steps[0]) / wide * (_WIDTH - 8):.1f},{_HEIGHT - 4 - (value - low) / tall * (_HEIGHT - 8):.1f}"
        for step, value in points
    )
    label = f"{printable(name)} from {values[0]:.4g} to {values[-1]:.4g}, between {low:.4g} and {high:.4g}"
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}"><polyline class="burn" points="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, label, path)
