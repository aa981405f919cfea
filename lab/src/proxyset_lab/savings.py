"""How many labels a method saves: how many random choice would need for the same accuracy."""

from __future__ import annotations

import numpy as np

from proxyset.jobs.savings import labels_saved
from proxyset_lab.cell import Data
from proxyset_lab.experiment import Experiment
from proxyset_lab.store import Store
from proxyset_lab.summary import Pair
from proxyset_lab.tables import Table, method_name

_BASE = "random"
_NOTE = (
    "Mean curves made monotone, random's read backwards between its budgets over the logarithm of labels; beyond them only the "
    "bound is claimed. Interval: 95 %, bootstrap over pairs of domain and seed, cut off at random's budgets."
)
_BOUND = {"inside": ("", ""), "above": ("more than ", "at least "), "below": ("at most ", "at most ")}


def savings(experiment: Experiment, store: Store) -> list[Table]:
    """A table a data set: method and budget, and the budget at which random is as good. Empty with fewer than two budgets."""
    tables = []
    for data in experiment.data:
        curves = _curves(experiment, store, data)
        base = curves.pop(_BASE, {})
        if not base or len(data.budgets) < 2:
            continue
        rows: list[tuple[str, ...]] = []
        for method, runs in curves.items():
            pairs = sorted(runs.keys() & base.keys())
            if not pairs:
                continue
            ours, others = (np.array([curve[pair] for pair in pairs]) for curve in (runs, base))
            for saving in labels_saved(sorted(data.budgets), ours, others):
                needs_word, saved_word = _BOUND[saving.where]
                share = f"{100 * (1 - saving.budget / saving.needed):.0f} %".replace("-", "−")
                rows.append(
                    (
                        method_name(method),
                        f"{saving.budget:,}",
                        f"{100 * saving.accuracy:.1f}",
                        f"{needs_word}{saving.needed:,.0f}",
                        f"{saving.low:,.0f} to {saving.high:,.0f}",
                        saved_word + share,
                    )
                )
        columns = ("method", "labels", "accuracy", "random needs", "95 %", "saved")
        tables.append(Table(f"{data.name}: labels saved against random", columns, tuple(rows), _NOTE))
    return tables


def _curves(experiment: Experiment, store: Store, data: Data) -> dict[str, dict[Pair, list[float]]]:
    """Method → pair → scores by rising budget, for pairs that have every budget."""
    found: dict[str, dict[Pair, dict[int, float]]] = {}
    for group in experiment.groups():
        if group.data_set != data.name or group.pool != experiment.pools[0]:
            continue
        for cell, result in store.read(group).items():
            if cell.budget in data.budgets and cell.budget is not None:
                runs = found.setdefault(cell.method, {}).setdefault((group.private, group.seed), {})
                runs[cell.budget] = result.outcome.score
    wanted = sorted(data.budgets)
    return {
        method: {pair: [runs[b] for b in wanted] for pair, runs in pairs.items() if len(runs) == len(wanted)}
        for method, pairs in found.items()
    }
