"""Persons with several records: votes scaled to a length of √m, against at most m votes and noise for m.

Each client's records are dealt to persons of m, at random or by likeness (neighbours along the first component of the probe's
space). Both rules get the same budget, ε and standard noise; they differ in what they make of a person and in the noise's scale.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from proxyset.client.calibration import privacy_statement
from proxyset.client.vote import clipped
from proxyset.cloud.select import DEFAULT_STRATEGY, Coverage
from proxyset.demo.statistics import paired_gain
from proxyset.wire.probe import Probe
from proxyset_lab import kept
from proxyset_lab.cell import Group
from proxyset_lab.data.registry import find
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.experiment import Experiment
from proxyset_lab.features import Features
from proxyset_lab.kept import keep
from proxyset_lab.tables import Entry, Table, markdown
from proxyset_lab.task import Task

CLUSTERS = 100
Dealt = Literal["at random", "alike"]
DEALT: tuple[Dealt, ...] = ("at random", "alike")


class Pair(NamedTuple):
    """One client, one way of dealing, one budget and one draw of noise: the score of both rules, and the share of own items."""

    data_set: str
    domain: str
    dealt: Dealt
    budget: int
    records: tuple[float, float]
    length: tuple[float, float]


def deal(task: Task, probe: Probe, most: int, dealt: Dealt) -> NDArray[np.int64]:
    """(records,) the person of each of the client's records."""
    mine = task.X[task.split.client]
    order = task.rng(11).permutation(len(mine))
    if dealt == "alike":
        order = np.argsort(probe.project(mine)[:, 0], kind="stable")
    persons = np.empty(len(mine), np.int64)
    persons[order] = np.arange(len(mine)) // most
    return persons


def by_length(
    votes: NDArray[np.int64], persons: NDArray[np.int64], most: int, grid: int
) -> NDArray[np.float64]:
    """(CLUSTERS,) what the client counts, in records."""
    counts = np.zeros(CLUSTERS)
    for person in np.unique(persons):
        of_one = Counter(votes[persons == person].tolist())
        for cluster, weight in clipped(of_one, most, grid).items():
            counts[cluster] += weight / grid
    return counts


def run(experiment: Experiment, epsilon: float, most: int, draws: int, out: Path) -> None:
    """Every group of an experiment that `out` does not hold yet."""
    keep(out, experiment.groups(), lambda group: pairs(experiment, group, epsilon, most, draws))


def read(out: Path) -> list[Pair]:
    """What was measured so far."""
    return [Pair(*row) for _, rows in kept.read(out) for row in rows]


def pairs(experiment: Experiment, group: Group, epsilon: float, most: int, draws: int) -> Iterator[Pair]:
    """Of one data set, domain and seed."""
    whole = privacy_statement(epsilon, experiment.delta, "person", max_records=most, whole_records=True)
    scaled = privacy_statement(epsilon, experiment.delta, "person", max_records=most)
    features = Features.of(find(group.data_set))
    with tempfile.TemporaryDirectory() as work, threadpool_limits(1):
        task = _task(experiment, group, features, Path(work))
        probe = task.probe(CLUSTERS, None, "float16")
        votes = task.votes(probe)
        today = np.bincount(votes, minlength=CLUSTERS).astype(np.float64)
        counts = {
            dealt: by_length(votes, deal(task, probe, most, dealt), most, scaled.grid) for dealt in DEALT
        }
        for draw in range(draws):
            noise = task.rng(12, draw).standard_normal(CLUSTERS)
            for budget in experiment.of(group.data_set).budgets:
                before = _score(task, today, whole.noise, noise, budget)
                for dealt in DEALT:
                    after = _score(task, counts[dealt], scaled.noise, noise, budget)
                    yield Pair(group.data_set, group.private, dealt, budget, before, after)


def _task(experiment: Experiment, group: Group, features: Features, work: Path) -> Task:
    return Task(group, experiment.of(group.data_set), features, work, work, experiment.delta)


def _score(
    task: Task, counts: NDArray[np.float64], sigma: float, noise: NDArray[np.float64], budget: int
) -> tuple[float, float]:
    coverage = Coverage(counts + sigma * noise, sigma)
    rows = task.picks(DEFAULT_STRATEGY, CLUSTERS, coverage, budget)
    return task.score(rows), float(np.mean(task.features.domains[rows] == task.group.private))


def page(found: list[Pair], origin: str) -> str:
    """What was measured, as Markdown."""
    about = (
        "A person's votes, scaled to a length of √m, against at most m votes of each person and noise for m, which was the rule "
        "before: the same persons, ε, budgets and standard noise. Persons are dealt their records at random, or alike "
        "(neighbours along the first component of the probe's space), of the clients as the benchmark has them. “Own kind”: of "
        "the picked items."
    )
    shown = [markdown(table) for table in tables(found)]
    return (
        "\n\n".join(
            ["# Persons with several records", f"{origin} Written by `proxyset-lab persons`.", about, *shown]
        )
        + "\n"
    )


def tables(found: list[Pair]) -> list[Table]:
    """A row for each data set and way of dealing; domains that the rule was designed on in a table of their own."""
    out = []
    for designed in (False, True):
        here = [pair for pair in found if designed_on(pair.data_set, pair.domain) == designed]
        names = list(dict.fromkeys(pair.data_set for pair in here))
        rows: list[tuple[Entry, ...]] = []
        for name in [*names, "all"] if len(names) > 1 else names:
            for dealt in DEALT:
                of = [pair for pair in here if name in ("all", pair.data_set) and pair.dealt == dealt]
                sites = [f"{pair.data_set} {pair.domain}" for pair in of]
                before, after = ([p.records for p in of], [p.length for p in of])
                gain, kind = (
                    paired_gain([b[at] - a[at] for a, b in zip(before, after, strict=True)], sites)
                    for at in (0, 1)
                )
                means = (f"{100 * float(np.mean([s[0] for s in scores])):.1f}" for scores in (before, after))
                rows.append((name, dealt, gain, kind, *means))
        columns = ("data set", "persons' records", "gain", "own kind", "noise for m", "scaled to √m")
        if rows:
            out.append(Table(titled("Votes scaled to √m over noise for m", designed), columns, tuple(rows)))
    return out
