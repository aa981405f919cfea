"""Measurements that no single experiment's TOML describes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from proxyset_lab.experiment import Experiment

To = Annotated[
    Path | None, typer.Option(help="File to write instead of standard output.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Rows, a JSON line each; in bench-results/KEY by default, KEY of the code that runs.",
        show_default=False,
    ),
]
Measure = Annotated[
    bool, typer.Option("--run/--no-run", help="Measure what is missing, or only write what is there.")
]


def fleets(
    plan: Annotated[Path, typer.Argument(help="TOML file that says which fleets.")],
    out: Out = None,
    page: Annotated[
        Path | None,
        typer.Option(help="Markdown page whose part of this plan is replaced.", show_default=False),
    ] = None,
    measured: Measure = True,
) -> None:
    """What many clients' releases are worth together, liars included. Stopped, it continues.

    Example: proxyset-lab fleets lab/benchmarks/fleets/digits.toml --page docs/fleets.md
    """
    from proxyset_lab.fleets.plan import Plan
    from proxyset_lab.fleets.report import write_page
    from proxyset_lab.fleets.run import read, run

    asked = Plan.read(plan)
    rows, stamp = _measured("fleets", out, measured, lambda out: run(asked, out))
    if page:
        write_page(asked, plan.stem, read(rows), page, stamp)


def skew(
    out: Out = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Data set; may be repeated; all four by default.", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 3,
    domains: Annotated[
        int,
        typer.Option(
            help="Private domains of each data set, those first that the rule was not designed on.", min=1
        ),
    ] = 2,
    measured: Measure = True,
    to: To = None,
) -> None:
    """Clients whose classes are skewed and few, and what fitting the model at home gives. Stopped, it continues.

    Example: proxyset-lab skew --data digits --data sentiment --to docs/results/skew.md
    """
    from proxyset_lab.skew import BUDGETS, page, read, run

    names = data or list(BUDGETS)
    rows, stamp = _measured("skew", out, measured, lambda out: run(out, names, range(seeds), domains))
    _write(page(read(rows), stamp), to)


def cross(
    file: Annotated[
        Path, typer.Argument(help="TOML file of an experiment: data sets, pools, methods, seeds.")
    ] = Path("lab/benchmarks/cross.toml"),
    out: Out = None,
    measured: Measure = True,
    to: To = None,
) -> None:
    """What choosing is worth by the pool's own share, the client's records and its skew, all crossed. Stopped, it continues.

    Example: proxyset-lab cross --to docs/results/cross.md
    """
    from proxyset_lab.cross import page, read, run
    from proxyset_lab.experiment import Experiment

    experiment = Experiment.read(file)
    rows, stamp = _measured("cross", out, measured, lambda out: run(experiment, out))
    _write(page(experiment, read(rows), stamp), to)


def left_out(
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Data set; may be repeated. The seven of the benchmark by default.", show_default=False
        ),
    ] = None,
    counted: Annotated[
        Path | None,
        typer.Option(
            help="Page that this command wrote before: it is written again as it is.",
            dir_okay=False,
            exists=True,
        ),
    ] = None,
    to: To = None,
) -> None:
    """How many items each data set loses to splits by group, and as near-duplicates.

    Example: proxyset-lab left-out --to docs/results/left-out.md
    """
    from proxyset_lab.left_out import page

    if counted is not None:
        _write(counted.read_text(encoding="utf-8"), to)
        return
    names = data or ["digits", "iconnet", "sentiment", "flights", "letters", "options", "flights-to"]
    _write(page(names), to)


def adapt(
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 2,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Table of UCI; may be repeated; all by default.", show_default=False),
    ] = None,
    out: Out = None,
    measured: Measure = True,
    to: To = None,
) -> None:
    """What fitting at home wins and costs on the tables that its constants were chosen on; none is a reported data set.

    Example: proxyset-lab adapt --seeds 1 --data letter
    """
    from proxyset_lab.fitting import TABLES, page, read, run

    rows, stamp = _measured("adapt", out, measured, lambda out: run(range(seeds), data or TABLES, out))
    _write(page(read(rows), stamp), to)


def noisy_labels(
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 2,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Table of UCI; may be repeated; six by default.", show_default=False),
    ] = None,
    to: To = None,
) -> None:
    """What a model wins that is trained on a client's noisy labels with their noise modelled; no table is a reported data set.

    Example: proxyset-lab noisy-labels --seeds 1 --data segment
    """
    from proxyset_lab.noisy_labels import TABLES, page, trained

    _write(page(list(trained(range(seeds), data or TABLES))), to)


def rules(
    seeds: Annotated[int, typer.Option(help="How many; each takes every table once.", min=1)] = 3,
    out: Out = None,
    measured: Measure = True,
    to: To = None,
) -> None:
    """Selection rules that were tried, on tables that no reported figure is of. Stopped, it continues.

    Example: proxyset-lab rules --seeds 1
    """
    from proxyset_lab.rules import page, read, run

    rows, stamp = _measured("rules", out, measured, lambda out: run(range(seeds), out))
    _write(page(read(rows), stamp), to)


def fixmatch(out: Out = None, measured: Measure = True, to: To = None) -> None:
    """What unlabeled images are worth beside 40 labeled ones, and how much of that is augmentation alone.

    Example: proxyset-lab fixmatch --to docs/results/fixmatch.md
    """
    from proxyset_lab.fixmatch import measure, page

    _write(page(*_measured("fixmatch", out, measured, measure)), to)


def planner(
    repeats: Annotated[int, typer.Option(help="Answers of each cell.", min=1)] = 5, to: To = None
) -> None:
    """What `proxyset plan` promises, beside what the shipped client's answers were worth.

    Example: proxyset-lab planner --repeats 5
    """
    from proxyset_lab.planner import planned_and_real

    _write(planned_and_real(repeats) + "\n", to)


Study = Annotated[
    Path, typer.Argument(metavar="FILE", help="TOML file of an experiment: its data sets, budgets and δ.")
]
Seeds = Annotated[int, typer.Option(help="How many seeds, from 0.", min=1)]
Draws = Annotated[int, typer.Option(help="Draws of noise for each seed.", min=1)]
OnlyData = Annotated[list[str] | None, typer.Option(help="Only this data set; may be repeated.")]


def persons(
    file: Study,
    epsilon: Annotated[float, typer.Option(help="Of every release.")] = 0.58,
    records: Annotated[int, typer.Option(help="m, the records of a person.", min=1)] = 10,
    seeds: Seeds = 3,
    draws: Draws = 1,
    data: OnlyData = None,
    out: Out = None,
    measured: Measure = True,
    to: To = None,
) -> None:
    """What persons' votes are worth scaled to a length of √m, against m votes of each and noise for m.

    Example: proxyset-lab persons lab/benchmarks/main.toml
    """
    from proxyset_lab.persons import page, read, run

    some = _some(file, seeds, data)
    rows, stamp = _measured("persons", out, measured, lambda out: run(some, epsilon, records, draws, out))
    _write(page(read(rows), stamp), to)


def ranked(
    file: Study,
    epsilon: Annotated[float, typer.Option(help="Of every release.")] = 0.58,
    records: Annotated[
        list[int] | None, typer.Option(help="Records of a client, 0 for all; may be repeated; 60, 200 and 0.")
    ] = None,
    seeds: Seeds = 3,
    draws: Draws = 1,
    data: OnlyData = None,
    out: Out = None,
    measured: Measure = True,
    to: To = None,
) -> None:
    """What ranked votes (weights for the eight nearest centroids) would be worth over one vote, at the smallest budgets.

    Example: proxyset-lab ranked lab/benchmarks/main.toml --data digits
    """
    from proxyset_lab.ranked import page, read, run

    some, sizes = _some(file, seeds, data), tuple(number or None for number in records or (60, 200, 0))
    rows, stamp = _measured("ranked", out, measured, lambda out: run(some, epsilon, sizes, draws, out))
    _write(page(read(rows), stamp), to)


def _some(file: Path, seeds: int, names: list[str] | None) -> Experiment:
    """An experiment with that many seeds, of some of its data sets."""
    from proxyset_lab.experiment import Experiment

    experiment = Experiment.read(file)
    data = tuple(one for one in experiment.data if not names or one.name in names)
    return experiment.model_copy(update={"seeds": tuple(range(seeds)), "data": data})


def _measured(name: str, asked: Path | None, wanted: bool, run: Callable[[Path], None]) -> tuple[Path, str]:
    """Where the rows of a study lie, as asked or by default, and the code they are of; what is missing is measured, if wanted."""
    from proxyset_lab.cli.experiments import RESULTS
    from proxyset_lab.origin import refuse_others, rows_folder, stamp

    out = asked or rows_folder(RESULTS) / f"{name}.jsonl"
    if wanted:
        refuse_others(out.parent)
        run(out)
    return out, stamp(out.parent)


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
    from proxyset_lab.origin import stamp

    _write(page(json.loads(results.read_text(encoding="utf-8")), stamp(results.parent.parent)), to)


def _write(text: str, to: Path | None) -> None:
    from proxyset import atomic

    if to:
        atomic.write_bytes(to, text.encode())
    else:
        sys.stdout.write(text)
