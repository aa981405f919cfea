"""Figures in prose are written by a command, not by hand: each stands in a marker that names the page, table, row and column.

    <!-- figure: main.md :: digits, accuracy :: budget=1,000; method=density-ratio :: over random (95 %) -->+9.2 ± 3.5<!-- end -->

The page is one of docs/results, the table is named by how its title begins, the row by what some of its cells are; the figure is
the cell. What a run did not reach is `not measured`.
"""

from __future__ import annotations

import re
from pathlib import Path

from proxyset import atomic
from proxyset.errors import InvalidInput

NOT_MEASURED = "not measured"
_MARKER = re.compile(r"(<!-- figure: (.*?) -->)(.*?)(<!-- end -->)", re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")
_Rows = list[dict[str, str]]


def fill(path: Path, docs: Path) -> bool:
    """Write the figures of a file anew; whether any changed.

    Raises:
        InvalidInput: a marker names what no page has.
    """
    old = path.read_text(encoding="utf-8")
    new = filled(old, docs)
    if new != old:
        atomic.write_bytes(path, new.encode())
    return new != old


def filled(text: str, docs: Path) -> str:
    """The text with the figures that the pages in docs/results have now.

    Raises:
        InvalidInput: a marker names what no page has.
    """
    return _MARKER.sub(lambda found: f"{found[1]}{figure(found[2], docs)}{found[4]}", text)


def unmarked(text: str) -> str:
    """The text without its markers and what stands in them, and without generated parts: what a person typed."""
    text = re.sub(r"<!-- generated: .*?<!-- end of the generated part -->", "", text, flags=re.DOTALL)
    return _MARKER.sub("", text)


def figure(named: str, docs: Path) -> str:
    """The cell that a marker names.

    Raises:
        InvalidInput: no page, table, row or column is so named, or several rows are.
    """
    parts = [part.strip() for part in named.split(" :: ")]
    if len(parts) != 4:
        raise InvalidInput(f"a figure names page :: table :: row :: column, not {named!r}")
    page, title, row, column = parts
    path = docs / "results" / page
    if not path.exists():
        raise InvalidInput(f"there is no page {path} for the figure {named!r}")
    text = path.read_text(encoding="utf-8")
    partial = "Not measured." in text or "Unfinished" in text
    found = [rows for name, rows in tables(text) if name.startswith(title)]
    if not found and partial:
        return NOT_MEASURED
    if not found:
        raise InvalidInput(f"{path} has no table {title!r}, which a figure names")
    wanted = dict(condition.strip().split("=", 1) for condition in row.split(";"))
    if unknown := {*wanted, column} - set(found[0][0]):
        raise InvalidInput(
            f"the table {title!r} of {path} has no column {sorted(unknown)}: {', '.join(found[0][0])}"
        )
    fits = [cells for cells in found[0] if all(cells[name] == value for name, value in wanted.items())]
    if not fits and partial:
        return NOT_MEASURED
    if len(fits) != 1:
        raise InvalidInput(f"{len(fits)} rows of {title!r} in {path} are {row!r}: a figure needs one")
    return fits[0][column]


def tables(text: str) -> list[tuple[str, _Rows]]:
    """Title and rows (column → cell) of every table on a page, each below its title in bold."""
    found: list[tuple[str, _Rows]] = []
    title = ""
    columns: list[str] = []
    for line in text.splitlines():
        if bold := re.fullmatch(r"\*\*(.+)\*\*", line):
            title, columns = bold[1], []
        elif line.startswith("|"):
            cells = [cell.strip() for cell in _CELL.split(line.strip())[1:-1]]
            if not columns:
                columns = cells
                found.append((title, []))
            elif set(line) - set("|-: "):
                found[-1][1].append(dict(zip(columns, cells, strict=True)))
        elif line:
            columns = []
    return [(title, rows) for title, rows in found if rows]
