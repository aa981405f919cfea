"""From cells to lines of a table: paired gains over sites, shares of two gaps, mean, spread over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from proxyset.cloud.select import DEFAULT_STRATEGY
from proxyset.demo.statistics import Gain, Spread, paired_gain, spread
from proxyset.wire.probe import Dtype
from proxyset_lab.cell import Cell, PoolKind
from proxyset_lab.cells import Result
from proxyset_lab.designed import designed_on
from proxyset_lab.experiment import Experiment
from proxyset_lab.intervals import Closed, closed
from proxyset_lab.methods import needs
from proxyset_lab.store import Store

ALL_ID, MAK = "all-id", "mak"  # the two ceilings: the paper's, and an oracle with the same budget

Pair = tuple[str, int]  # private domain and seed


class Setting(NamedTuple):
    """What one line is about: everything of a cell but domain and seed."""

    data_set: str
    pool: PoolKind
    designed: bool
    method: str
    budget: int | None
    clusters: int | None
    dim: int | None
    dtype: Dtype | None
    epsilon: float | None


@dataclass(frozen=True)
class Line:
    """One method in one setting, over all private domains (sites) and seeds, those that the rule was designed on apart.

    Attributes:
        budget: that the gain refers to; a method without a budget has a line at each.
        accuracy: the metric; mean over domains and seeds, standard deviation over seeds of the mean over domains.
        gain, over_center, over_default: over random, k-center, the default rule, at the same budget and over pairs of equal
            domain and seed, with their interval over sites; None where there is nothing to compare.
        of_all_id, of_mak: share of the gap from random to each ceiling; None where it means nothing.
        own_share: part of the training items that is of the private domain; None when nothing was picked.
        epsilon: as spent, None when nothing was.
        bytes_down, bytes_up, multiply_adds, rounds, seconds: means over the runs.
        pairs, expected: how many runs there are and should be.
    """

    setting: Setting
    budget: int
    accuracy: Spread
    gain: Gain | None
    over_center: Gain | None
    over_default: Gain | None
    of_all_id: Closed | None
    of_mak: Closed | None
    own_share: float | None
    epsilon: float | None
    bytes_down: float
    bytes_up: float
    multiply_adds: float
    rounds: float
    seconds: float
    pairs: int
    expected: int

    @property
    def private(self) -> bool:
        """Whether private data is protected, or not asked at all, or stays where it is."""
        return not needs(self.setting.method).clear


def summarise(experiment: Experiment, store: Store) -> list[Line]:
    """The lines of an experiment, in the order of its file, from what has finished so far."""
    found: dict[Setting, dict[Pair, Result]] = {}
    expected: dict[Setting, int] = {}
    for group in experiment.groups():
        results = store.read(group)
        for cell in experiment.cells(group):
            setting = _setting(cell, designed_on(group.data_set, group.private))
            expected[setting] = expected.get(setting, 0) + 1
            found.setdefault(setting, {})
            if cell in results:
                found[setting][group.private, group.seed] = results[cell]
    lines = []
    for data in experiment.data:
        for pool in experiment.pools:
            for designed in (False, True):
                wanted = (data.name, pool, designed)
                here = {s: runs for s, runs in found.items() if runs and s[:3] == wanted}
                for budget in data.budgets:
                    lines += _lines(here, budget, expected)
    return lines


def _lines(here: dict[Setting, dict[Pair, Result]], budget: int, expected: dict[Setting, int]) -> list[Line]:
    at = {s: runs for s, runs in here.items() if s.budget in (budget, None)}
    random, center, default, all_id, oracle = (
        next((runs for s, runs in at.items() if s.method == name), {})
        for name in ("random", "k-center", DEFAULT_STRATEGY, ALL_ID, MAK)
    )
    lines = []
    for setting, runs in at.items():
        mean = _mean(runs.values())
        own = [r.outcome.own_share for r in runs.values() if r.outcome.own_share is not None]
        costs = [r.outcome.costs for r in runs.values()]
        spent = [c.epsilon for c in costs if c.epsilon is not None]
        lines.append(
            Line(
                setting,
                budget,
                Spread(mean, _over_seeds(runs)),
                _gain(runs, random),
                _gain(runs, center),
                _gain(runs, default),
                closed(_by_site(runs), _by_site(random), _by_site(all_id)),
                closed(_by_site(runs), _by_site(random), _by_site(oracle)),
                float(np.mean(own)) if own else None,
                max(spent) if spent else None,
                float(np.mean([c.bytes_down for c in costs])),
                float(np.mean([c.bytes_up for c in costs])),
                float(np.mean([c.multiply_adds for c in costs])),
                float(np.mean([c.rounds for c in costs])),
                float(np.mean([r.seconds for r in runs.values()])),
                len(runs),
                expected[setting],
            )
        )
    return lines


def _gain(runs: dict[Pair, Result], base: dict[Pair, Result]) -> Gain | None:
    pairs = [pair for pair in runs if pair in base]
    differences = [runs[pair].outcome.score - base[pair].outcome.score for pair in pairs]
    return paired_gain(differences, [site for site, _ in pairs]) if pairs and runs is not base else None


def _setting(cell: Cell, designed: bool) -> Setting:
    group = cell.group
    return Setting(group.data_set, group.pool, designed, *cell[1:])


def _by_site(runs: dict[Pair, Result]) -> dict[str, float]:
    """Site → mean score over its seeds."""
    sites = dict.fromkeys(site for site, _ in runs)
    return {at: _mean(result for (site, _), result in runs.items() if site == at) for at in sites}


def _mean(results: Iterable[Result]) -> float:
    return float(np.mean([result.outcome.score for result in results]))


def _over_seeds(runs: dict[Pair, Result]) -> float:
    """Standard deviation over the seeds that have every domain, of the mean over domains."""
    domains = {domain for domain, _ in runs}
    means: Sequence[float] = [
        _mean(runs[domain, seed] for domain in domains)
        for seed in sorted({seed for _, seed in runs})
        if all((domain, seed) in runs for domain in domains)
    ]
    return spread(means).sd if means else 0.0
