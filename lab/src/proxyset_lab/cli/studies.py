"""Measurements that no single experiment's TOML describes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

To = Annotated[
    Path | None, typer.Option(help="File to write instead of standard output.", show_default=False)
]


def fleets(
    plan: Annotated[Path, typer.Argument(help="TOML file that says which fleets.")],
    out: Annotated[Path, typer.Option(help="Results, a JSON line each.")] = Path("fleets.jsonl"),
    page: Annotated[
        Path | None, typer.Option(help="Markdown page whose generated part is replaced.", show_default=False)
    ] = None,
) -> None:
    """What many clients' releases are worth together, liars included. Stopped, it continues.

    Example: proxyset-lab fleets lab/benchmarks/fleets/digits.toml --page docs/fleets.md
    """
    from proxyset_lab.fleets.plan import Plan
    from proxyset_lab.fleets.report import write_page
    from proxyset_lab.fleets.run import read, run

    asked = Plan.read(plan)
    run(asked, out)
    if page:
        write_page(asked, read(out), page)


def skew(
    out: Annotated[Path, typer.Option(help="Results, a JSON line a client.")] = Path("skew.jsonl"),
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Data set; may be repeated. Without one, only the page is written.", show_default=False
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 3,
    domains: Annotated[
        int, typer.Option(help="Private domains of each data set, the first ones.", min=1)
    ] = 2,
    to: To = None,
) -> None:
    """Clients whose classes are skewed and few, and what fitting the model at home gives. Stopped, it continues.

    Example: proxyset-lab skew --data digits --data sentiment --to docs/results/skew.md
    """
    from proxyset_lab.skew import page, read, run

    run(out, data or [], range(seeds), domains)
    _write(page(read(out)), to)


def fixmatch(to: To = None) -> None:
    """What unlabeled images are worth beside 40 labeled ones, and how much of that is augmentation alone.

    Example: proxyset-lab fixmatch --to docs/results/fixmatch.md
    """
    from proxyset_lab.fixmatch import page

    _write(page(), to)


def planner(
    repeats: Annotated[int, typer.Option(help="Answers of each cell.", min=1)] = 5, to: To = None
) -> None:
    """What `proxyset plan` promises, beside what the shipped client's answers were worth.

    Example: proxyset-lab planner --repeats 5
    """
    from proxyset_lab.planner import planned_and_real

    _write(planned_and_real(repeats) + "\n", to)


def flower(
    participants: Annotated[int, typer.Option(help="Records, each a node of its own.", min=2)] = 100,
    rounds: Annotated[int, typer.Option(help="Of federated averaging.", min=1)] = 5,
) -> None:
    """Whether the benchmark's federated averaging gives the weights that Flower's simulation gives.

    Example: proxyset-lab flower --participants 100
    """
    from proxyset_lab.alternatives.fedavg_flower import far_apart

    _write(far_apart(participants, rounds) + "\n", None)


def demo_page(
    results: Annotated[Path, typer.Argument(help="results.json of `proxyset demo`.")], to: To = None
) -> None:
    """The demo's numbers as Markdown.

    Example: proxyset-lab demo-page demo/results.json --to docs/results.md
    """
    from proxyset_lab.demo_page import page

    _write(page(json.loads(results.read_text(encoding="utf-8"))), to)


def _write(text: str, to: Path | None) -> None:
    from proxyset import atomic

    if to:
        atomic.write_bytes(to, text.encode())
    else:
        sys.stdout.write(text)
