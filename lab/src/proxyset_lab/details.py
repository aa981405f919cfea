"""What a job measured beside its score, as more tables of the report."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from proxyset.demo.statistics import Gain, paired_gain
from proxyset_lab.cells import Result
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.experiment import Experiment
from proxyset_lab.store import Store
from proxyset_lab.tables import Entry, Table, method_name

_SHARES, _GAIN = ("accuracy", "share"), "gain"
_Line = tuple[str, int | None, float | None]  # method, budget, ε
_Pair = tuple[str, str, int]  # data set, private domain, seed


def details_table(experiment: Experiment, store: Store) -> list[Table]:
    """Means of every detail over private domains and seeds, by method; a table for sites that the rule was designed on.

    Accuracies and shares come in percent and, where random runs of the same budget are there, with their paired gain over them;
    gains, differences within a run, as they are.
    """
    found: dict[bool, dict[_Line, dict[_Pair, Result]]] = {False: defaultdict(dict), True: defaultdict(dict)}
    for group in experiment.groups():
        wanted = set(experiment.cells(group))
        for cell, result in store.read(group).items():
            if cell in wanted and result.outcome.details:
                line = (cell.method, cell.budget, cell.epsilon)
                runs = found[designed_on(group.data_set, group.private)][line]
                runs[group.data_set, group.private, group.seed] = result
    return [_table(lines, designed) for designed, lines in found.items() if lines]


def _table(found: dict[_Line, dict[_Pair, Result]], designed: bool) -> Table:
    names = list(
        dict.fromkeys(name for runs in found.values() for r in runs.values() for name in r.outcome.details)
    )
    random = {budget: runs for (method, budget, _), runs in found.items() if method == "random"}
    compared = [name for name in names if random and name.endswith(_SHARES)]
    columns = [
        text for name in names for text in ([name, f"{name}: over random"] if name in compared else [name])
    ]
    rows = []
    for (method, budget, epsilon), runs in found.items():
        # a method without a budget stands beside random where there is but one
        alone = next(iter(random.values())) if budget is None and len(random) == 1 else {}
        others = {} if method == "random" else random.get(budget, alone)
        entries: list[Entry] = []
        for name in names:
            values = {pair: r.outcome.details[name] for pair, r in runs.items() if name in r.outcome.details}
            entries.append(_value(name, values))
            if name in compared:
                entries.append(_over(values, {p: r.outcome.details.get(name) for p, r in others.items()}))
        rows.append(
            (
                method_name(method),
                "" if budget is None else f"{budget:,}",
                "" if epsilon is None else f"{epsilon:g}",
                *entries,
            )
        )
    return Table(
        titled("What the job measured", designed),
        ("method", "budget", "ε", *columns),
        tuple(rows),
        "Means over private domains and seeds. Accuracies and shares in percent, gains in points.",
    )


def _value(name: str, values: dict[_Pair, float]) -> Entry:
    if not values:
        return ""
    if name.endswith(_GAIN):
        return _gain(values)
    mean = float(np.mean(list(values.values())))
    if name.endswith(_SHARES):
        return f"{100 * mean:.1f}"
    return f"{mean:,.0f}" if mean >= 100 else f"{mean:.2f}"


def _over(values: dict[_Pair, float], others: dict[_Pair, float | None]) -> Entry:
    differences = {
        pair: value - other for pair, value in values.items() if (other := others.get(pair)) is not None
    }
    return _gain(differences) if differences else ""


def _gain(differences: dict[_Pair, float]) -> Gain:
    sites = [f"{data_set} {domain}" for data_set, domain, _ in differences]
    return paired_gain(list(differences.values()), sites)
