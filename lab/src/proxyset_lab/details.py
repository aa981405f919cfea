"""What a job measured beside its score, as one more table of the report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from proxyset.demo.statistics import paired_gain, spread
from proxyset_lab.cells import Result
from proxyset_lab.experiment import Experiment
from proxyset_lab.store import Store
from proxyset_lab.tables import Table, method_name, signed

_SHARES, _GAIN = ("accuracy", "share"), "gain"
_Line = tuple[str, int | None, float | None]  # method, budget, ε
_Pair = tuple[str, str, int]  # data set, private domain, seed


def details_table(experiment: Experiment, store: Store) -> Table | None:
    """Means of every detail over private domains and seeds, by method; None when no cell has any.

    Accuracies and shares come in percent with their standard deviation over seeds (of the mean over domains) and, where random
    runs of the same budget are there, the paired gain over them with Student's 95 % interval; gains, differences within a run,
    in points with the same interval.
    """
    found: dict[_Line, dict[_Pair, Result]] = defaultdict(dict)
    for group in experiment.groups():
        wanted = set(experiment.cells(group))
        for cell, result in store.read(group).items():
            if cell in wanted and result.outcome.details:
                line = (cell.method, cell.budget, cell.epsilon)
                found[line][group.data_set, group.private, group.seed] = result
    if not found:
        return None
    names = list(
        dict.fromkeys(name for runs in found.values() for r in runs.values() for name in r.outcome.details)
    )
    random = {budget: runs for (method, budget, _), runs in found.items() if method == "random"}
    rows = []
    for (method, budget, epsilon), runs in found.items():
        # a method without a budget stands beside random where there is but one
        alone = next(iter(random.values())) if budget is None and len(random) == 1 else {}
        others = random.get(budget, alone)
        rows.append(
            (
                method_name(method),
                "" if budget is None else f"{budget:,}",
                "" if epsilon is None else f"{epsilon:g}",
                *(_value(name, runs, {} if method == "random" else others) for name in names),
            )
        )
    return Table(
        "What the job measured",
        ("method", "budget", "ε", *names),
        tuple(rows),
        "Means over private domains and seeds. Accuracies and shares: percent, ± standard deviation over seeds; in brackets the "
        "gain over random with its 95 % interval, over pairs of domain and seed. Gains: points, and the same interval.",
    )


def _value(name: str, runs: dict[_Pair, Result], others: dict[_Pair, Result]) -> str:
    values = {
        pair: result.outcome.details[name] for pair, result in runs.items() if name in result.outcome.details
    }
    if not values:
        return ""
    if name.endswith(_GAIN):
        return _points(list(values.values()))
    mean = float(np.mean(list(values.values())))
    if not name.endswith(_SHARES):
        return f"{mean:,.0f}" if mean >= 100 else f"{mean:.2f}"
    by_seed: dict[int, list[float]] = defaultdict(list)
    for (_, _, seed), value in values.items():
        by_seed[seed].append(value)
    over = spread([float(np.mean(group)) for group in by_seed.values()])
    text = f"{100 * mean:.1f} ± {100 * over.sd:.1f}"
    differences = [
        value - others[pair].outcome.details[name]
        for pair, value in values.items()
        if pair in others and name in others[pair].outcome.details
    ]
    return f"{text} ({_points(differences)})" if differences else text


def _points(differences: Sequence[float]) -> str:
    gain = paired_gain(differences)
    half = "" if gain.half_width is None else f" ± {100 * gain.half_width:.1f}"
    return f"{signed(100 * gain.mean, 1)}{half}"
