"""Running an experiment: group by group, cell by cell, continuing where an earlier run stopped."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from proxyset_lab.cell import Cell, Group
from proxyset_lab.cells import Result, run_cell
from proxyset_lab.data.registry import find
from proxyset_lab.experiment import Experiment
from proxyset_lab.features import Features
from proxyset_lab.jobs import find_job
from proxyset_lab.outcome import Job, classify
from proxyset_lab.store import Store
from proxyset_lab.task import Task

_SAVED_EVERY = 2.0  # seconds; a kill loses no more than this

OnResult = Callable[[Result, int, int], None]


def run_experiment(
    experiment: Experiment,
    store: Store,
    on_result: OnResult = lambda result, done, total: None,
    *,
    again: Sequence[str] = (),
) -> int:
    """Run what is missing. Several processes may do so at once; each takes groups that no other has.

    Args:
        experiment: what to run.
        store: where results are and go.
        on_result: called after each cell with it, how many are done and how many there are.
        again: methods whose results are thrown away first, because they have changed.

    Returns:
        The number of cells that are still missing: those that another process is working on.

    Raises:
        InvalidInput: the store's results were made with other settings (see `Store.settle`).
        ProxysetError: a data set cannot be had, or a cell cannot be run; what was finished is kept.
    """
    store.settle(experiment)
    groups = list(experiment.groups())
    total = sum(len(experiment.cells(group)) for group in groups)
    done = sum(len(_finished(experiment, store, group, again)) for group in groups)
    features: dict[str, Features] = {}
    elsewhere = 0
    with threadpool_limits(1):  # products this small lose more to waiting threads, and times stay comparable
        for group in groups:
            with store.claimed(group) as ours:
                missing = [
                    c for c in experiment.cells(group) if c not in _finished(experiment, store, group, again)
                ]
                if not ours:
                    elsewhere += len(missing)
                    continue
                if not missing:
                    continue
                if group.data_set not in features:
                    features = {group.data_set: Features.of(find(group.data_set))}  # one at a time in memory
                for result in _Group(experiment, store, group, features[group.data_set]).run(missing):
                    done += 1
                    on_result(result, done, total)
    return elsewhere


class _Group:
    """The missing cells of one group."""

    def __init__(self, experiment: Experiment, store: Store, group: Group, features: Features) -> None:
        self._experiment = experiment
        self._store = store
        self._group = group
        self._features = features

    def run(self, missing: Sequence[Cell]) -> Iterator[Result]:
        results = self._store.read(self._group)
        saved = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="proxyset-bench-") as work:
            task = Task(
                self._group,
                self._experiment.of(self._group.data_set),
                self._features,
                Path(work),
                self._store.releases,
                self._experiment.delta,
            )
            job: Job = find_job(self._experiment.job) if self._experiment.job else classify
            try:
                for cell in missing:
                    results[cell] = run_cell(task, cell, job)
                    yield results[cell]
                    if time.monotonic() - saved > _SAVED_EVERY:
                        self._store.write(self._group, results)
                        saved = time.monotonic()
            finally:
                self._store.write(self._group, results)


def _finished(experiment: Experiment, store: Store, group: Group, again: Sequence[str]) -> set[Cell]:
    wanted = set(experiment.cells(group))
    return {cell for cell in store.read(group) if cell in wanted and cell.method not in again}
