"""Where the default helps and where it does not, as a full cross product: the pool's own share × the client's records × its skew.

Every client of a group is drawn from the same split, so that cells differ in nothing but what they are named by. A client's
classes are drawn as in `skew`, and a model is measured on the client's own mixture of classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from proxyset.cloud.select import DEFAULT_STRATEGY, STRATEGIES
from proxyset.demo.classifier import Labels
from proxyset.demo.statistics import Gain, paired_gain
from proxyset_lab import kept, skew
from proxyset_lab.cell import Group
from proxyset_lab.data.registry import find
from proxyset_lab.experiment import Experiment
from proxyset_lab.features import Features
from proxyset_lab.kept import keep
from proxyset_lab.tables import Entry, Table, harm, markdown, own_kind
from proxyset_lab.task import Task

ALPHAS = (None, 0.3)
RECORDS = (60, 200, None)


class Score(NamedTuple):
    """One client, one method: the accuracy on the client's own mixture of classes, in [0, 1]."""

    data_set: str
    private: str
    seed: int
    pool: str
    alpha: float | None
    records: int | None
    method: str
    score: float


def run(experiment: Experiment, out: Path) -> None:
    """Every group of an experiment that `out` does not hold yet."""
    with threadpool_limits(1):
        keep(out, experiment.groups(), lambda group: scores(experiment, group))


def read(out: Path) -> list[Score]:
    """What was measured so far."""
    return [Score(*row) for _, rows in kept.read(out) for row in rows]


def scores(experiment: Experiment, group: Group) -> Iterator[Score]:
    """Of one data set, domain, seed and pool: every α and number of records, by every method."""
    features, data = Features.of(find(group.data_set)), experiment.of(group.data_set)
    with tempfile.TemporaryDirectory(prefix="proxyset-cross-") as folder:
        task = Task(group, data, features, Path(folder), Path(folder), experiment.delta)
        split, same = task.split, dict[str, dict[str, float]]()
        for number, (alpha, records) in enumerate(product(ALPHAS, RECORDS)):
            client = skew.Client(
                group.data_set, group.private, group.seed, alpha, records or len(split.client)
            )
            shares, rows = skew.draw(task.y, split.client, split.test, client)
            whole = alpha is None and records is None
            task.split = replace(split, client=split.client if whole else rows)
            task.releases = Path(folder) / f"{number}"
            task.releases.mkdir()
            for method in experiment.methods:
                asks = STRATEGIES.load(method).needs_release
                right = same.get(method) or _right(task, method, data.budgets[0], experiment, asks)
                if not asks:
                    same[method] = right
                score = sum(share * right[name] for name, share in shares.items())
                yield Score(*group, alpha, records, method, score)


def _right(task: Task, method: str, budget: int, experiment: Experiment, asks: bool) -> dict[str, float]:
    """Class → part of its test items that is told right, after training on what a method picks."""
    clusters = experiment.clusters[0]
    answers = [task.release(experiment.epsilons[0], task.probe(clusters, None, "float16"))] if asks else []
    rows = task.picks(method, clusters, answers, budget)
    told = _told(task, rows)
    y = task.y[task.split.test]
    return {str(name): float((told[y == name] == name).mean()) for name in np.unique(y)}


def _told(task: Task, rows: NDArray[np.int64]) -> Labels:
    """(tests,) what a model of those rows says of the test items."""
    if len(np.unique(task.y[rows])) < 2:
        return np.full(len(task.split.test), task.y[rows[0]])
    model = task.training.model().fit(task.X[rows], task.y[rows])
    told: Labels = model.predict(task.X[task.split.test])
    return told


def page(experiment: Experiment, found: list[Score], origin: str) -> str:
    """What was measured, as Markdown."""
    about = (
        f"Gains in points of accuracy on the client's own mixture of classes, ε = {experiment.epsilons[0]:g}, R = "
        f"{experiment.clusters[0]}, {len(experiment.seeds)} seeds; intervals are over sites. α: of the Dirichlet that the client's "
        "classes are drawn from; none: as its domain has them. Records: drawn from the client's part of the split; all: that part "
        "whole, or, with skew, as many of it as its classes allow. A client with skewed classes differs from its domain, and a "
        "choice by its answers also differs in classes. Pools of all shares are equally large."
    )
    parts = [f"# {experiment.title}", f"{origin} Written by `proxyset-lab cross`; do not edit."]
    parts += [experiment.notes.strip(), about, *map(markdown, tables(experiment, found))]
    return "\n\n".join(part for part in parts if part) + "\n"


def tables(experiment: Experiment, found: list[Score]) -> list[Table]:
    """The default over random in every cell, then what else was measured."""
    others = [method for method in experiment.methods if method not in ("random", DEFAULT_STRATEGY)]
    ours: list[tuple[Entry, ...]] = []
    rest: list[tuple[Entry, ...]] = []
    for data, pool, records, alpha in product(experiment.data, experiment.pools, RECORDS, ALPHAS):
        here = [
            s for s in found if (s.data_set, s.pool, s.records, s.alpha) == (data.name, pool, records, alpha)
        ]
        if not here:
            continue
        key = (
            f"{data.name}, {data.budgets[0]:,} items", own_kind(pool), "all" if records is None else str(records),
            skew.alpha_text(alpha),
        )  # fmt: skip
        gain = _gain(here, DEFAULT_STRATEGY)
        ours.append((*key, gain, harm(gain)))
        mean = 100 * float(np.mean([score.score for score in here if score.method == "random"]))
        rest.append((*key, *(_gain(here, method) for method in others), f"{mean:.1f}"))
    keys = ("data", "pool's own kind", "records", "α")
    return [
        Table(f"{DEFAULT_STRATEGY} over random", (*keys, "gain", "harm seen from"), tuple(ours)),
        Table("Other choices over random", (*keys, *others, "random, %"), tuple(rest)),
    ]


def _gain(here: list[Score], method: str) -> Gain:
    """Of a method over random, by site and seed."""
    base = {(score.private, score.seed): score.score for score in here if score.method == "random"}
    of = [score for score in here if score.method == method]
    return paired_gain([s.score - base[s.private, s.seed] for s in of], [s.private for s in of])
