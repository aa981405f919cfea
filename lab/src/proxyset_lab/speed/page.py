"""Tables of docs/performance.md between two marks, each of one commit: rows of another are dropped when one of this is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from proxyset import atomic
from proxyset.errors import InvalidInput
from proxyset_lab.origin import origin


def put(
    page: Path,
    section: str,
    head: Sequence[str],
    rows: Sequence[str],
    about: Sequence[str] = (),
    made: str | None = None,
) -> None:
    """Write rows into a section: in the place of those that compare the same, where these are of the same commit.

    Args:
        page: a file with the marks `<!-- SECTION -->` and `<!-- end of SECTION -->`.
        head: the table's two first lines.
        rows: lines of the table; their first two cells say what is compared.
        about: lines above the table, beside the commit.
        made: what says of which commit the rows are, which then are all; None for this one.

    Raises:
        InvalidInput: the page lacks one of the marks.
    """
    start, stop = f"<!-- {section} -->", f"<!-- end of {section} -->"
    text = page.read_text(encoding="utf-8")
    if start not in text or stop not in text:
        raise InvalidInput(f"{page} has no section between {start} and {stop}")
    before, rest = text.split(start, 1)
    old, after = rest.split(stop, 1)
    here = f"Measured at {origin()}."
    new = {_compared(row): row for row in rows}
    kept = (
        [line for line in old.splitlines() if line.startswith("|") and line not in head]
        if made is None and here in old
        else []
    )
    lines = [made or here, *about, "", *head, *(new.pop(_compared(row), row) for row in kept), *new.values()]
    atomic.write_bytes(page, "\n".join([before + start, *lines, stop + after]).encode())


def _compared(row: str) -> tuple[str, ...]:
    return tuple(row.split("|")[1:3])
