"""From cells to lines of a table: mean, spread over seeds, paired gain over random, share of the gap closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from proxyset.demo.statistics import Gain, Spread, paired_gain, spread
from proxyset.wire.probe import Dtype
from proxyset_lab.cell import Cell, PoolKind
from proxyset_lab.cells import Result
from proxyset_lab.experiment import Experiment
from proxyset_lab.methods import needs
from proxyset_lab.store import Store

_CEILINGS = ("mak", "ecos:clear")
_GAP = 0.002  # a smaller gap between random and the ceiling has no share worth a number

Pair = tuple[str, int]  # private domain and seed


class Setting(NamedTuple):
    """What one line is about: everything of a cell but domain and seed."""

    data_set: str
    pool: PoolKind
    method: str
    budget: int | None
    clusters: int | None
    dim: int | None
    dtype: Dtype | None
    epsilon: float | None


@dataclass(frozen=True)
class Line:
    """One method in one setting, over all private domains and seeds.

    Attributes:
        budget: that the gain refers to; a method without a budget has a line at each.
        accuracy: the metric; mean over domains and seeds, standard deviation over seeds of the mean over domains.
        gain, over_center: over random, over k-center, at the same budget and over pairs of equal domain and seed; None
            where there is nothing to compare.
        closed: share of the gap from random to the ceiling; None where there is no gap.
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
    closed: float | None
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
            setting = _setting(cell)
            expected[setting] = expected.get(setting, 0) + 1
            found.setdefault(setting, {})
            if cell in results:
                found[setting][group.private, group.seed] = results[cell]
    lines = []
    for data in experiment.data:
        for pool in experiment.pools:
            here = {
                s: runs for s, runs in found.items() if runs and (s.data_set, s.pool) == (data.name, pool)
            }
            for budget in data.budgets:
                lines += _lines(here, budget, expected)
    return lines


def _lines(here: dict[Setting, dict[Pair, Result]], budget: int, expected: dict[Setting, int]) -> list[Line]:
    at = {s: runs for s, runs in here.items() if s.budget in (budget, None)}
    random, center = (
        next((runs for s, runs in at.items() if s.method == name), {}) for name in ("random", "k-center")
    )
    base = _mean(random.values()) if random else None
    tops = [_mean(runs.values()) for s, runs in at.items() if s.method in _CEILINGS]
    gap = max(tops) - base if tops and base is not None else 0.0
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
                (mean - base) / gap if base is not None and gap > _GAP else None,
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
    differences = [runs[p].outcome.score - base[p].outcome.score for p in runs if p in base]
    return paired_gain(differences) if differences and runs is not base else None


def _setting(cell: Cell) -> Setting:
    group = cell.group
    return Setting(group.data_set, group.pool, *cell[1:])


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
