"""Rows of a study, kept group by group: a line of JSON each, so that the same command goes on where it was stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from proxyset.errors import ArtifactError
from proxyset_lab.cell import Group

Rows = list[list[Any]]


def keep(out: Path, groups: Iterable[Group], measure: Callable[[Group], Iterable[tuple[Any, ...]]]) -> None:
    """Measure each group that `out` does not hold yet, and append it, whole."""
    known = {group for group, _ in read(out)}
    ready(out)
    for group in groups:
        if group in known:
            continue
        sys.stderr.write(f"{group.data_set}, {group.private}, seed {group.seed}\n")
        add(out, {"group": group, "rows": list(measure(group))})


def read(out: Path) -> list[tuple[Group, Rows]]:
    """What is there so far. Raises as `records`."""
    return [(Group(*record["group"]), record["rows"]) for record in records(out)]


def records(out: Path) -> list[Any]:
    """All whole lines.

    Raises:
        ArtifactError: a line is damaged.
    """
    if not out.exists():
        return []
    found = []
    *lines, _ = out.read_text(encoding="utf-8").split(
        "\n"
    )  # what follows the last line's end was cut off by a kill
    for number, line in enumerate(lines, 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise ArtifactError(
                f"line {number} of {out} is damaged ({error}): delete it and run again"
            ) from None
    return found


def add(out: Path, record: object) -> None:
    """One more line."""
    with out.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(record) + "\n")


def ready(out: Path) -> None:
    """Make the folder, and take away a line that a kill cut off."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        data = out.read_bytes()
        out.write_bytes(data[: data.rfind(b"\n") + 1])
