"""`proxyset bench`: experiments on real data, from one TOML file each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyset.cli.output import emit, note
from proxyset.errors import InvalidInput

if TYPE_CHECKING:
    from proxyset.bench.cells import Result

app = typer.Typer(help="Experiments on real data: one TOML file says all.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="TOML file of the experiment.")]
Results = Annotated[Path, typer.Option(help="Folder that holds the results, one subfolder an experiment.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON line instead of words.")]
_RESULTS = Path("bench-results")


@app.command("list")
def list_(
    folder: Annotated[Path, typer.Argument(help="Folder of TOML files.")] = Path("benchmarks"),
    results: Results = _RESULTS,
    json: Json = False,
) -> None:
    """List experiments and how much of each has run.

    Example: proxyset bench list
    """
    from proxyset.bench.experiment import Experiment
    from proxyset.bench.store import Store

    files = sorted(folder.glob("*.toml"))
    if not files:
        raise InvalidInput(f"there is no .toml file in {folder}")
    rows = []
    for file in files:
        experiment = Experiment.read(file)
        store, wanted, done = Store(results / experiment.name), 0, 0
        for group in experiment.groups():
            cells = experiment.cells(group)
            finished = store.read(group)
            wanted, done = wanted + len(cells), done + sum(cell in finished for cell in cells)
        rows.append({"file": str(file), "title": experiment.title, "cells": wanted, "done": done})
    words = "\n".join(f"{row['file']}  {row['title']}: {row['done']} of {row['cells']} cells" for row in rows)
    emit({"experiments": rows}, words, json)


@app.command()
def run(
    file: File,
    results: Results = _RESULTS,
    again: Annotated[
        list[str] | None, typer.Option(help="A method to run again because it has changed; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Run what is missing of an experiment. Stopped, it continues; started twice, the two share the work.

    Example: proxyset bench run benchmarks/main.toml
    """
    from proxyset.bench.experiment import Experiment
    from proxyset.bench.runner import run_experiment
    from proxyset.bench.store import Store

    experiment = Experiment.read(file)
    if unknown := set(again or ()) - set(experiment.methods):
        raise InvalidInput(
            f"{unknown.pop()!r} is not a method of {file}: choose {', '.join(experiment.methods)}"
        )
    store = Store(results / experiment.name)
    with _progress() as on_result:
        elsewhere = run_experiment(experiment, store, on_result, again=again or ())
    words = f"{experiment.title}: done, in {store.folder}"
    if elsewhere:
        words = f"{experiment.title}: {elsewhere} cells are being run by another process"
    emit({"results": str(store.folder), "elsewhere": elsewhere}, words, json)


@app.command()
def report(
    file: File,
    results: Results = _RESULTS,
    to: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("docs/results"),
    json: Json = False,
) -> None:
    """Write tables (Markdown, LaTeX), figures (SVG), one HTML file and all rows (Parquet).

    Example: proxyset bench report benchmarks/main.toml
    """
    from proxyset.bench.experiment import Experiment
    from proxyset.bench.report import write_report
    from proxyset.bench.store import Store

    experiment = Experiment.read(file)
    files = [str(path) for path in write_report(experiment, Store(results / experiment.name), to)]
    emit({"files": files}, "\n".join(files), json)


@contextmanager
def _progress() -> Iterator[Callable[[Result, int, int], None]]:
    """A bar on a terminal; a line every hundred cells when standard error is piped."""
    if not sys.stderr.isatty():

        def tell(result: Result, done: int, total: int) -> None:
            if done % 100 == 0 or done == total:
                note(f"{done:>6}/{total}  {result.cell.group.data_set}, {result.cell.group.private}")

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("cells", total=None)

        def advance(result: Result, done: int, total: int) -> None:
            group = result.cell.group
            bars.update(task, completed=done, total=total, description=f"{group.data_set}, {group.private}")

        yield advance
