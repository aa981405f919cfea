"""Whatever a template shows can neither run nor turn around what stands beside it, on sites and in files alike."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from proxyset.page.environment import environment
from proxyset.page.lines import spark

MARKS = "\u202e\u2066\u200f\u200b\u0007\x1b"


@pytest.mark.parametrize("package", ["proxyset.page", "proxyset.agent.page", "proxyset.server.page"])
def test_marks_of_direction_and_controls_are_shown_as_escapes(package):
    shown = (
        environment(package)
        .from_string("{{ a }}|{{ a ~ 'b' }}|{% for x in [a] %}{{ x }}{% endfor %}")
        .render(a=f"gro{MARKS}<b>")
    )
    assert not set(MARKS) & set(shown)
    assert "gro\\u202e\\u2066" in shown and "<b>" not in shown
    assert environment(package).from_string("{{ a }}").render(a=Markup("<b>")) == "<b>"


def test_a_chart_is_named_harmlessly():
    """Red before: the name of a metric went into the label as it was."""
    assert not set(MARKS) & set(spark([(0, 1.0), (1, 2.0)], f"loss{MARKS}"))
