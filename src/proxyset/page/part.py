"""A part of a long list: what a search finds, a page of it at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

ROWS = 50  # of one page
Row = TypeVar("Row")


@dataclass(frozen=True)
class Part(Generic[Row]):
    """What one page of a list shows.

    Attributes:
        rows: of this page.
        total: rows that the search finds, on all pages.
        page: which this is, from 1.
        wanted: what was searched for; "" for everything.
        size: rows of a full page.
    """

    rows: Sequence[Row]
    total: int
    page: int = 1
    wanted: str = ""
    size: int = ROWS

    @property
    def pages(self) -> int:
        return pages_of(self.total, self.size)

    @property
    def first(self) -> int:
        """Number of the first row, from 1."""
        return (self.page - 1) * self.size + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


def pages_of(total: int, size: int = ROWS) -> int:
    """How many pages so many rows fill; an empty list has one."""
    return max(1, -(-total // size))


def part_of(
    everything: Sequence[Row],
    page: int,
    wanted: str = "",
    text: Callable[[Row], str] | None = None,
    size: int = ROWS,
) -> Part[Row]:
    """A page of a list that is in memory. A page beyond the last is the last.

    Args:
        text: of a row, which must hold `wanted`, whatever its case; None where nothing is searched.
    """
    found = everything
    if wanted and text is not None:
        found = [row for row in everything if wanted.casefold() in text(row).casefold()]
    page = min(max(1, page), pages_of(len(found), size))
    return Part(found[(page - 1) * size : page * size], len(found), page, wanted, size)
