"""Tables and the figure of a run with fleets, written into the part of a page that names the plan."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from proxyset import atomic
from proxyset.demo.statistics import Gain, Spread, paired_gain, spread
from proxyset.errors import InvalidInput
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.figures import Curve, draw
from proxyset_lab.fleets.plan import BASELINES, Cell, Part, Plan
from proxyset_lab.tables import Entry, Table, markdown

Scores = dict[Cell, list[float]]
END = "<!-- end of the generated part -->"


def begin(name: str) -> str:
    """The line above what is generated from a plan."""
    return f"<!-- generated: proxyset-lab fleets, {name} -->"


def write_page(plan: Plan, name: str, scores: Scores, page: Path, origin: str) -> None:
    """Replace the generated part of a plan in a page, and write its figures beside it in `results/`.

    Args:
        name: of the plan: its file's, without the suffix.
        origin: of which run and commit the rows are, for people.

    Raises:
        InvalidInput: the page has no such part.
    """
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin(name))
    _, end, after = rest.partition(END)
    if not found or not end:
        raise InvalidInput(f"{page} has no part between {begin(name)!r} and {END!r}")
    parts = [f"{origin}\n"]
    runs, wanted = len(measured(plan, scores)), len(plan.splits())
    if runs < wanted:
        parts.append(f"Unfinished: {runs} of {wanted} pairs of private domain and seed are measured.\n")
    for old in (page.parent / "results").glob(f"fleets-{plan.data}-*.svg"):
        old.unlink()  # pictures of an earlier run
    for designed in (False, True):
        here = {
            cell: found for cell, found in scores.items() if designed_on(plan.data, cell.private) == designed
        }
        if not measured(plan, here):
            continue
        for number, budget in enumerate(plan.budgets):
            picture = f"fleets-{name}{'-designed' * designed}-{budget}.svg"
            atomic.write_bytes(page.parent / "results" / picture, figure(plan, here, number).encode())
            parts.append(
                f"![Gain over random by the number of clients, budget {budget:,}](results/{picture})\n"
            )
        parts += [markdown(table(plan, part, here, designed)) + "\n" for part in plan.parts]
    body = "\n".join(parts)
    atomic.write_bytes(page, f"{before}{found}\n\n{body}\n{end}{after}".encode())


def measured(plan: Plan, scores: Scores) -> list[tuple[str, int]]:
    """The (private domain, seed) pairs of which every fleet is there; means are over these."""
    return [split for split in plan.splits() if all(cell in scores for cell in plan.cells(*split))]


def figure(plan: Plan, scores: Scores, budget: int) -> str:
    """Gain over random over n for each way of dealing, at each part's middle R. Bars are 95 % intervals."""

    def over_random(fleet: tuple[object, ...], method: str = "fleet") -> Spread:
        gain = _over_random(plan, scores, fleet, budget, method)
        return Spread(gain.mean, gain.half_width or 0.0)

    curves = []
    for part in plan.parts:
        if part.liars != (0.0,):
            continue
        R = part.clusters[len(part.clusters) // 2]
        for dealt, rule in product(part.dealt, part.rules):
            points = []
            for n in part.clients:
                first = dealt if n > 1 else part.dealt[0]
                fleet = (first, n, part.records, R, 0.0, rule, "together")
                points.append((float(n), over_random(fleet)))
            by_rule = f", {rule}" if len(part.rules) > 1 else ""
            curves.append(Curve(f"{part.name}, {dealt}{by_rule}", points))
    curves.append(Curve("k-center", [], over_random((), "k-center")))
    title = f"{plan.data}, {plan.budgets[budget]:,} items: points over random (95 %)"
    return draw(title, f"clients, ε = {plan.epsilon:g} each", curves)


def table(plan: Plan, part: Part, scores: Scores, designed: bool) -> Table:
    """One row a fleet: accuracy and its paired gain over random, for each budget."""
    columns = [("clients", 1), ("dealt", 0), ("liars", 4), ("combined", 5), ("R", 3)]
    fleets = list(part.fleets())
    columns = [(name, at) for name, at in columns if len({fleet[at] for fleet in fleets}) > 1]
    head = [name for name, _ in columns]
    for budget in plan.budgets:
        head += [f"{budget:,} items", "over random (95 %)"]
    rows: list[tuple[Entry, ...]] = []
    for fleet in sorted(fleets, key=lambda fleet: (fleet[1], fleet[0] != "iid", fleet[4])):
        shown = {at: str(value) for at, value in enumerate(fleet)}
        shown |= {1: f"{fleet[1]:,}", 4: f"{fleet[4]:.0%}".replace("%", " %")}
        if fleet[1] == 1:
            shown[0] = "all to one"
        rows.append((*(shown[at] for _, at in columns), *_figures(plan, scores, fleet)))
    for method in BASELINES:
        rows.append((method, *[""] * (len(columns) - 1), *_figures(plan, scores, (), method)))
    records = (
        f"{part.records} record{'s' * (part.records > 1)} each"
        if part.records
        else "the client's records shared out"
    )
    fixed = "" if len({fleet[3] for fleet in fleets}) > 1 else f", R = {fleets[0][3]}"
    title = f"{part.name[0].upper()}{part.name[1:]} ({records}{fixed}), {titled(plan.data, designed)}"
    return Table(title, tuple(head), tuple(rows))


def _figures(plan: Plan, scores: Scores, fleet: tuple[object, ...], method: str = "fleet") -> list[Entry]:
    found: list[Entry] = []
    for budget in range(len(plan.budgets)):
        values = _values(plan, scores, fleet, budget, method)
        found.append(f"{100 * spread(values).mean:.1f}")
        found.append("" if method == "random" else _over_random(plan, scores, fleet, budget, method))
    return found


def _over_random(plan: Plan, scores: Scores, fleet: tuple[object, ...], budget: int, method: str) -> Gain:
    values = _values(plan, scores, fleet, budget, method)
    random = _values(plan, scores, (), budget, "random")
    return paired_gain(np.subtract(values, random).tolist(), [site for site, _ in measured(plan, scores)])


def _values(
    plan: Plan, scores: Scores, fleet: tuple[object, ...], budget: int, method: str = "fleet"
) -> list[float]:
    return [
        scores[Cell(private, seed, method, *fleet)][budget]  # type: ignore[arg-type]
        for private, seed in measured(plan, scores)
    ]
