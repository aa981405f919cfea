"""How many labels a method saves: how many random choice would need for the same accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxyset.bench.experiment import Experiment
from proxyset.bench.summary import Line
from proxyset.bench.tables import Table, method_name
from proxyset.errors import InvalidInput

_BASE = "random"
_NOTE = (
    "Random's mean accuracy between the budgets that were run is taken to be straight over the logarithm of the budget; "
    "beyond them nothing is claimed but the bound."
)


def savings(experiment: Experiment, lines: Sequence[Line]) -> list[Table]:
    """A table a data set: method and budget, and the budget at which random is as good. Empty with fewer than two budgets."""
    tables = []
    for data in experiment.data:
        here = [line for line in lines if line.setting.data_set == data.name and line.setting.budget]
        base = sorted((line.budget, line.accuracy.mean) for line in here if line.setting.method == _BASE)
        if len(base) < 2:
            continue
        rows = []
        for line in here:
            if line.setting.method == _BASE:
                continue
            needed, word = labels_needed(base, line.accuracy.mean)
            saved = f"{100 * (1 - line.budget / needed):.0f} %".replace("-", "−")
            bound = {"": "", "more than ": "at least ", "fewer than ": "at most "}[word]
            rows.append(
                (
                    method_name(line.setting.method),
                    f"{line.budget:,}",
                    f"{100 * line.accuracy.mean:.1f}",
                    f"{word}{needed:,.0f}",
                    bound + saved,
                )
            )
        columns = ("method", "labels", "accuracy", "random needs", "saved")
        tables.append(Table(f"{data.name}: labels saved against random", columns, tuple(rows), _NOTE))
    return tables


def labels_needed(curve: Sequence[tuple[int, float]], accuracy: float) -> tuple[float, str]:
    """The budget at which a curve reaches an accuracy, and "more than " or "fewer than " where the curve ends before.

    Args:
        curve: (budget, accuracy) by rising budget, at least two. Where more labels did worse, the best so far counts.
        accuracy: to reach.
    """
    if len(curve) < 2:
        raise InvalidInput(f"a curve needs at least two budgets; there are {len(curve)}")
    budgets = np.array([budget for budget, _ in curve], float)
    best = np.maximum.accumulate([value for _, value in curve])
    if accuracy > best[-1]:
        return float(budgets[-1]), "more than "
    if accuracy < best[0]:
        return float(budgets[0]), "fewer than "
    right = max(1, int(np.searchsorted(best, accuracy)))
    left, rise = right - 1, best[right] - best[right - 1]
    share = (accuracy - best[left]) / rise if rise else 0.0
    return float(budgets[left] * (budgets[right] / budgets[left]) ** share), ""
