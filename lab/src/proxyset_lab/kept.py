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
    out.parent.mkdir(parents=True, exist_ok=True)
    _whole(out)
    for group in groups:
        if group in known:
            continue
        sys.stderr.write(f"{group.data_set}, {group.private}, seed {group.seed}\n")
        rows = list(measure(group))
        with out.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"group": group, "rows": rows}) + "\n")


def read(out: Path) -> list[tuple[Group, Rows]]:
    """What is there so far.

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
            record = json.loads(line)
            found.append((Group(*record["group"]), record["rows"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"line {number} of {out} is damaged ({error}): delete it and run again"
            ) from None
    return found


def _whole(out: Path) -> None:
    """Take away a line that a kill cut off."""
    if out.exists():
        data = out.read_bytes()
        out.write_bytes(data[: data.rfind(b"\n") + 1])
