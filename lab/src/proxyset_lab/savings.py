"""How many labels a method saves: how many random choice would need for the same accuracy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset_lab.cell import Data
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.experiment import Experiment
from proxyset_lab.intervals import FEWEST
from proxyset_lab.labels_saved import labels_saved
from proxyset_lab.store import Store
from proxyset_lab.tables import Table, method_name

_BASE = "random"
_NOTE = (
    "Mean curves made monotone, random's read backwards between its budgets over the logarithm of labels; beyond them only the "
    "bound is claimed. Interval: 95 %, bootstrap over sites, cut off at random's budgets; empty with fewer than five sites."
)
_BOUND = {"inside": ("", ""), "above": ("more than ", "at least "), "below": ("at most ", "at most ")}


def savings(experiment: Experiment, store: Store) -> list[Table]:
    """Tables of method and budget, and the budget at which random is as good. Empty with fewer than two budgets."""
    return [
        Table(
            f"{titled(data.name, designed)}: labels saved against random",
            ("method", "labels", "accuracy", "random needs", "95 %", "saved"),
            tuple(rows),
            _NOTE,
        )
        for data in experiment.data
        for designed in (False, True)
        if len(data.budgets) > 1 and (rows := _rows(data, _curves(experiment, store, data, designed)))
    ]


def _rows(data: Data, curves: dict[str, dict[str, NDArray[np.float64]]]) -> list[tuple[str, ...]]:
    base = curves.pop(_BASE, {})
    rows: list[tuple[str, ...]] = []
    for method, runs in curves.items():
        sites = sorted(runs.keys() & base.keys())
        if not sites:
            continue
        ours, others = (np.array([curve[site] for site in sites]) for curve in (runs, base))
        for saving in labels_saved(sorted(data.budgets), ours, others):
            needs_word, saved_word = _BOUND[saving.where]
            share = f"{100 * (1 - saving.budget / saving.needed):.0f} %".replace("-", "−")
            rows.append(
                (
                    method_name(method),
                    f"{saving.budget:,}",
                    f"{100 * saving.accuracy:.1f}",
                    f"{needs_word}{saving.needed:,.0f}",
                    f"{saving.low:,.0f} to {saving.high:,.0f}" if len(sites) >= FEWEST else "",
                    saved_word + share,
                )
            )
    return rows


def _curves(
    experiment: Experiment, store: Store, data: Data, designed: bool
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Method → site → mean scores by rising budget, over seeds that have every budget."""
    found: dict[str, dict[str, dict[int, dict[int, float]]]] = {}
    for group in experiment.groups():
        apart = designed_on(group.data_set, group.private) != designed
        if group.data_set != data.name or group.pool != experiment.pools[0] or apart:
            continue
        for cell, result in store.read(group).items():
            if cell.budget in data.budgets and cell.budget is not None:
                runs = found.setdefault(cell.method, {}).setdefault(group.private, {})
                runs.setdefault(group.seed, {})[cell.budget] = result.outcome.score
    wanted = sorted(data.budgets)
    return {
        method: {
            site: np.mean(whole, axis=0)
            for site, runs in sites.items()
            if (whole := [[run[b] for b in wanted] for run in runs.values() if len(run) == len(wanted)])
        }
        for method, sites in found.items()
    }
