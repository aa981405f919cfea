"""What a command prints: one JSON line for programs, or a few words for people. Nothing that is not `printable` passes."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from proxyset.cloud.progress import Progress
from proxyset.printable import printable_lines


def emit(result: dict[str, Any], human: str, json: bool) -> None:
    """Print the result of a command on standard output."""
    tell(jsonlib.dumps(result, ensure_ascii=False) if json else human)


def tell(words: str) -> None:
    """Print a part of the result on standard output."""
    sys.stdout.write(printable_lines(words) + "\n")
    sys.stdout.flush()


def note(message: str) -> None:
    """Tell the person something that is not the result, on standard error."""
    sys.stderr.write(printable_lines(message) + "\n")


def warn_private(message: str) -> None:
    """Say, in red on a terminal, that something gives no privacy."""
    typer.secho(printable_lines(f"NOT PRIVATE: {message}"), fg=typer.colors.RED, bold=True, err=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars by stage on a terminal; silence when standard error is piped."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        stages: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
            bars.update(stages[stage], completed=done, total=total)

        yield advance
