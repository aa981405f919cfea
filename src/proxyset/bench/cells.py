"""Running one cell: select or train as the method says, then measure."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from proxyset.bench.ablation import ABLATIONS
from proxyset.bench.alternatives.runs import ALTERNATIVE_RUNS
from proxyset.bench.experiment import Cell
from proxyset.bench.methods import needs
from proxyset.bench.outcome import Costs, Outcome, from_rows
from proxyset.bench.splits import Rows
from proxyset.bench.task import Task
from proxyset.cloud.select import find_strategy
from proxyset.cloud.select.kcenter import farthest_first
from proxyset.wire.probe import Probe

_SHORTLIST = 1.5  # MAK keeps this many times the budget of the items nearest to private ones


@dataclass(frozen=True)
class Result:
    """A finished cell: what was found, and the processor time it took (this thread's, seconds)."""

    cell: Cell
    outcome: Outcome
    seconds: float


def run_cell(task: Task, cell: Cell) -> Result:
    """Find the number of one cell. Raises what the exchange, the strategy or the alternative raises."""
    task.candidates(cell.clusters)  # built once for all cells, so it is not this one's time
    started = time.thread_time()
    outcome = _run(task, cell)
    return Result(cell, outcome, time.thread_time() - started)


def _run(task: Task, cell: Cell) -> Outcome:
    need, split = needs(cell.method), task.split
    if need.name in ALTERNATIVE_RUNS:
        return ALTERNATIVE_RUNS[need.name](task, cell.budget or 0, cell.epsilon or 0.0)
    if need.name == "local":
        return from_rows(task, split.client)
    if need.name == "all-id":
        return from_rows(task, split.in_distribution)
    if need.name == "whole-pool":
        return from_rows(task, task.pool)
    if need.name == "mak":
        return from_rows(task, mak(task, cell.budget or 0))
    return _select(task, cell)


def _select(task: Task, cell: Cell) -> Outcome:
    """A strategy on what a real exchange brought, or on nothing."""
    need = needs(cell.method)
    strategy = ABLATIONS.get(need.name) or find_strategy(need.name)
    index, candidates = task.index(cell.clusters), task.candidates(cell.clusters)
    if need.sources:
        candidates = replace(candidates, groupings={"source": task.sources()})
    coverage, costs = None, Costs()
    if strategy.needs_release:
        probe = task.probe(index.manifest.clusters, cell.dim, cell.dtype or "float16")
        costs = Costs(
            bytes_down=len(probe.to_bytes()),
            multiply_adds=arithmetic(probe, len(task.split.client)),
            rounds=1,
        )
        if need.clear:
            coverage = task.clear_coverage(probe)
        else:
            release = task.release(cell.epsilon or 0.0, probe)
            coverage = task.coverage(release, index)
            costs = replace(costs, bytes_up=len(release.to_bytes()), epsilon=release.privacy.epsilon)
    budget = min(cell.budget or 0, len(candidates))
    ranking = strategy.rank(candidates, coverage, budget, task.rng(3))
    return from_rows(task, task.pool[ranking.rows], costs)


def arithmetic(probe: Probe, records: int) -> int:
    """Multiply-adds of the vote, after encoding: the projection, then each record against each centroid."""
    d, D = probe.encoder.dim, int(probe.centroids.shape[1])
    return records * (probe.clusters * D + (d * D if probe.projection is not None else 0))


def mak(task: Task, budget: int) -> Rows:
    """The oracle: the 1.5 × budget pool items nearest to any private item, then greedy k-center among them.

    After Model-Aware K-center (NeurIPS 2021) with the private data in the clear. NOT PRIVATE.
    """
    index, Z = task.index(None), task.candidates(None).Z
    private = index.projection(task.X[task.split.client])
    nearest = np.full(len(Z), np.inf)
    norms = np.square(private).sum(axis=1)
    for start in range(0, len(Z), 1024):
        block = Z[start : start + 1024]
        nearest[start : start + 1024] = (norms - 2 * block @ private.T).min(axis=1) + np.square(block).sum(
            axis=1
        )
    count = min(budget, len(Z))
    short = np.argsort(nearest, kind="stable")[: max(count, round(_SHORTLIST * count))]
    picks, _ = farthest_first(Z[short], count, first=0)
    return task.pool[short[picks]]
