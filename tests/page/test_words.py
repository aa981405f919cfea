"""Numbers as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyset.page import words


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (words.size, 812, "812 bytes"),
        (words.size, 14_200, "14.2 kB"),
        (words.size, 3_100_000, "3.1 MB"),
        (words.thousands, -1234, "−1,234"),
        (words.short, 1e-5, "1 × 10⁻⁵"),
        (words.short, -0.58, "−0.58"),
        (words.short, 0, "0"),
        (words.short, None, "–"),
        (words.percent, 0.001, "<1 %"),
        (words.percent, 0.0, "0 %"),
        (words.factor, 0.0, "1.00"),
        (words.factor, 1000.0, "more than a million, which protects nobody"),
        (words.when, "2026-11-22T12:00:00+02:00", "2026-11-22 10:00 UTC"),
        (words.when, "soon", "soon"),
        (words.head, "a" * 64, "aaaaaaaaaaaa…"),
        (words.place, "/elsewhere", "/elsewhere"),
    ],
)
def test_in_words(function, value, text):
    assert function(value) == text


def test_home_is_not_spelled_out():
    assert words.place(str(Path.home() / "data")) == "~/data"
    assert words.place(str(Path.home()) + "x") == str(Path.home()) + "x"
