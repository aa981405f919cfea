"""Running one cell: select or train as the method says, then measure."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from proxyset.cloud.select import STRATEGIES, Coverage
from proxyset.cloud.select.kcenter import farthest_first
from proxyset.demo.splits import Rows
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release
from proxyset_lab.alternatives.runs import ALTERNATIVE_RUNS
from proxyset_lab.cell import Cell
from proxyset_lab.methods import MANY, WEIGHTED, needs
from proxyset_lab.outcome import Costs, Job, Outcome, classify
from proxyset_lab.task import Task

_SHORTLIST = 1.5  # MAK keeps this many times the budget of the items nearest to private ones


@dataclass(frozen=True)
class Result:
    """A finished cell: what was found, and the processor time it took (this thread's, seconds)."""

    cell: Cell
    outcome: Outcome
    seconds: float


def run_cell(task: Task, cell: Cell, job: Job = classify) -> Result:
    """Find the number of one cell: pick, and do the job with what was picked.

    Raises what the exchange, the strategy, the alternative or the job raises.
    """
    task.candidates(cell.clusters)  # built once for all cells, so it is not this one's time
    started = time.thread_time()
    outcome = _run(task, cell, job)
    return Result(cell, outcome, time.thread_time() - started)


def _run(task: Task, cell: Cell, job: Job) -> Outcome:
    need, split = needs(cell.method), task.split
    if need.name in ALTERNATIVE_RUNS:
        return ALTERNATIVE_RUNS[need.name](task, cell.budget or 0, cell.epsilon or 0.0)
    if need.name == "local":
        return job(task, split.client, Costs())
    if need.name == "all-id":
        return job(task, split.in_distribution, Costs())
    if need.name == "whole-pool":
        return job(task, task.pool, Costs())
    if need.name == WEIGHTED:
        release, costs = _asked(task, cell)
        return job(task, task.pool, costs, task.pool_weights(cell.clusters, release))
    if need.name == "zero-shot":
        return job(task, task.pool[np.isin(task.pool, split.others)], Costs())
    if need.name == f"random-{MANY}":
        return job(task, task.picks("random", None, [], MANY), Costs())
    if need.name.startswith("own-"):
        mine = task.rng(14).permutation(split.client)[: int(need.name.removeprefix("own-"))]
        return job(task, mine, Costs())
    if need.name == "mak":
        return job(task, mak(task, cell.budget or 0), Costs())
    return job(task, *_select(task, cell))


def _select(task: Task, cell: Cell) -> tuple[Rows, Costs]:
    """What a strategy picks by what a real exchange brought, or by nothing, and what the exchange cost."""
    need = needs(cell.method)
    answers: list[Release] | Coverage = []
    costs = Costs()
    if STRATEGIES.load(need.name).needs_release:
        if need.clear:
            probe, costs = _probed(task, cell)
            answers = task.clear_coverage(probe)
        else:
            release, costs = _asked(task, cell)
            answers = [release]
    rows = task.picks(need.name, cell.clusters, answers, cell.budget or 0, sources=need.sources)
    return rows, costs


def _probed(task: Task, cell: Cell) -> tuple[Probe, Costs]:
    probe = task.probe(cell.clusters, cell.dim, cell.dtype or "float16")
    multiply_adds = arithmetic(probe, len(task.split.client))
    return probe, Costs(bytes_down=len(probe.to_bytes()), multiply_adds=multiply_adds, rounds=1)


def _asked(task: Task, cell: Cell) -> tuple[Release, Costs]:
    """The client's answer, and what the exchange cost."""
    probe, costs = _probed(task, cell)
    release = task.release(cell.epsilon or 0.0, probe)
    return release, replace(costs, bytes_up=len(release.to_bytes()), epsilon=release.privacy.epsilon)


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
