"""Pages of a list in memory are the list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxyset.page.part import part_of


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_the_pages_are_the_list(everything, size):
    pages = part_of(everything, 1, size=size).pages
    assert pages >= 1
    found = [part_of(everything, page, size=size) for page in range(1, pages + 1)]
    assert [row for part in found for row in part.rows] == everything
    assert (
        part_of(everything, pages + 9, size=size) == found[-1]
        and part_of(everything, -1, size=size) == found[0]
    )


def test_a_search():
    part = part_of(["Straße", "weg", "STRASSE"], 1, "strasse", str)
    assert (part.rows, part.total, part.wanted) == (["Straße", "STRASSE"], 2, "strasse")
