"""All that the docs quote, by one command, and the figures that prose takes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset.cli.options import Json
from proxyset.cli.output import emit, note
from proxyset.errors import ProxysetError

Docs = Annotated[Path, typer.Option(help="Folder of the pages.")]


def all_(
    file: Annotated[Path, typer.Argument(help="TOML file of the steps, most important first.")] = Path(
        "lab/benchmarks/all/all.toml"
    ),
    minutes: Annotated[float, typer.Option(help="After which no step goes on.", min=0.0)] = 360.0,
    workers: Annotated[
        int, typer.Option(help="Steps, or parts of an experiment, at the same time.", min=1)
    ] = 2,
    results: Annotated[
        Path, typer.Option(help="Folder of results, a subfolder for each state of the code.")
    ] = Path("bench-results"),
    docs: Docs = Path("docs"),
    rows: Annotated[
        str | None,
        typer.Option(
            help="Run nothing: write pages from the rows of this commit or key.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run every experiment and study that the docs quote, and write all pages from the rows of this one state of the code.

    Stopped, it continues. Rows of another commit are never taken; a page whose step had no turn says so.

    Example: proxyset-lab all --minutes 70
    """
    from proxyset_lab.everything import Everything, measure, write_pages
    from proxyset_lab.origin import read, rows_folder, rows_of

    everything = Everything.read(file)
    folder = (rows_of(results, rows) if rows else rows_folder(results)).resolve()
    note(f"{read(folder)}: rows in {folder}")
    failed = [] if rows else measure(everything, folder, docs.resolve(), minutes, workers, note)
    failed += write_pages(everything, folder, docs.resolve(), docs.resolve().parent, note)
    if failed:
        raise ProxysetError(
            f"{len(failed)} steps failed: {', '.join(failed)}. Their logs are in {folder / 'logs'}"
        )
    emit({"rows": str(folder), "docs": str(docs)}, f"all pages are written, from {folder}", json)


def where(
    folder: Annotated[Path, typer.Argument(help="Folder of the experiments.")] = Path("lab/benchmarks"),
    results: Annotated[
        Path | None,
        typer.Option(help="Folder of the rows; bench-results/KEY by default.", show_default=False),
    ] = None,
    to: Annotated[Path, typer.Option(help="File to write.")] = Path("docs/results/where.md"),
) -> None:
    """Where the default helps and where not: by the pool's own kind, the client's records, and its skew.

    Example: proxyset-lab where
    """
    from proxyset import atomic
    from proxyset_lab.origin import rows_folder
    from proxyset_lab.where import page

    atomic.write_bytes(to, page(folder, results or rows_folder(Path("bench-results"))).encode())


def figures(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Markdown files; README.md and those of docs by default.", show_default=False),
    ] = None,
    docs: Docs = Path("docs"),
    json: Json = False,
) -> None:
    """Write the figures that prose quotes anew, from the pages in docs/results that their markers name.

    Example: proxyset-lab figures README.md
    """
    from proxyset_lab.quoted import fill

    chosen = files or [
        docs.resolve().parent / "README.md",
        *sorted(docs.glob("*.md")),
        docs / "results" / "README.md",
    ]
    changed = [str(path) for path in chosen if fill(path, docs)]
    emit({"changed": changed}, "\n".join(changed) or "all figures were up to date", json)
