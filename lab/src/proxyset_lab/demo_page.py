"""The demo's numbers as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean, stdev
from typing import Any

from proxyset.demo.statistics import paired_gain
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.tables import Entry, Table, markdown

_METHODS = ("density-ratio", "ecos", "random", "k-center", "all in-distribution", "whole pool")


def page(summary: dict[str, Any], origin: str) -> str:
    """docs/results.md from the summary that `proxyset demo` writes as results.json."""
    runs, averages = summary["runs"], summary["averages"]
    exchange = runs[0]["exchange"]
    seeds = len({run["seed"] for run in runs})
    lines = [
        "# Results",
        "",
        f"{origin} Written by `proxyset demo` and `proxyset-lab demo-page demo/results.json`. Five kinds of digit images "
        "(`proxyset-lab list`); each is the private one in turn. The client holds "
        f"{runs[0]['records']:,} images of its kind, the public pool {runs[0]['pool']:,}, of which {runs[0]['own']:,} are of that "
        f"kind. Cloud and client are two processes over HTTP. R = {summary['clusters']}, ε = {exchange['epsilon']:g}, "
        f"δ = {exchange['delta']:g}, σ = {exchange['sigma']:.2f}; {exchange['bytes_down']:,} bytes down, "
        f"{exchange['bytes_up']:,} up. Logistic regression on HOG, accuracy in % on {runs[0]['tests']} other images of the "
        f"private kind, mean ± standard deviation over {seeds} seeds.",
        "",
        "This is the demo's set, small enough for pip alone. The paper's digits are other images and its models are trained on "
        "pixels, so its figures are not comparable with these.",
    ]
    for budget in sorted(averages, key=int):
        lines += ["", f"## {int(budget):,} images picked", "", *_table(runs, averages[budget], budget), ""]
        lines.append(markdown(_gains(runs, budget)))
    return "\n".join(lines) + "\n"


def _gains(runs: list[dict[str, Any]], budget: str) -> Table:
    """Of the two rules, over sites; those that the default rule was designed on apart."""
    rows: list[tuple[Entry, ...]] = []
    for designed in (False, True):
        here = [run for run in runs if designed_on("digits-small", run["private"]) == designed]
        if not here:
            continue
        for one, other in (("ecos", "random"), ("density-ratio", "random"), ("density-ratio", "ecos")):
            differences = [_score(run, one, budget) - _score(run, other, budget) for run in here]
            gain = paired_gain(differences, [run["private"] for run in here])
            kinds = ", ".join(dict.fromkeys(run["private"] for run in here))
            rows.append((titled(kinds, designed), one, other, gain))
    return Table("Gains in points", ("private kinds", "method", "over", "gain (95 %)"), tuple(rows))


def _table(runs: list[dict[str, Any]], average: dict[str, Any], budget: str) -> Iterator[str]:
    yield "| private kind | " + " | ".join(_METHODS) + " |"
    yield "|---" * (len(_METHODS) + 1) + "|"
    for private in dict.fromkeys(run["private"] for run in runs):
        cells = [
            _cell([_score(run, m, budget) for run in runs if run["private"] == private]) for m in _METHODS
        ]
        yield f"| {private} | " + " | ".join(cells) + " |"
    spreads = (average["accuracy"][method] for method in _METHODS)
    cells = [f"**{_percent(spread['mean']):.1f}** ± {_percent(spread['sd']):.1f}" for spread in spreads]
    yield "| average | " + " | ".join(cells) + " |"


def _score(run: dict[str, Any], method: str, budget: str) -> float:
    found = (s for s in run["scores"] if s["method"] == method and s["budget"] in (None, int(budget)))
    return float(next(found)["accuracy"])


def _cell(values: list[float]) -> str:
    spread = stdev(values) if len(values) > 1 else 0.0
    return f"{_percent(fmean(values)):.1f} ± {_percent(spread):.1f}"


def _percent(share: float) -> float:
    return 100 * share
