"""Selective labeling: annotators label what was picked, and a small CNN is trained on the pixels.

The annotators are the ground truth. Every method gets the same model, initial weights, augmentation and rule of when to stop
(`stopping`); only the picked items differ. With FixMatch other public items take part without labels; what stays at home
("local") has only its own images.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from proxyset.cloud.select import DEFAULT_STRATEGY
from proxyset.demo.splits import Rows
from proxyset.train.fixmatch import Unlabeled, fixmatch
from proxyset.train.loop import Fitted, Run
from proxyset.train.models import build_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset_lab.jobs.pixels import class_numbers, one_thread, pixel_score
from proxyset_lab.jobs.stopping import Places, converged
from proxyset_lab.outcome import Costs, Outcome, measured
from proxyset_lab.task import Task

MODEL, SIZE = "cnn-16", 28
SUPERVISED = Settings(steps=1500, batch_size=64)  # at most
RULE = Unlabeled(ratio=1, threshold=0.95)
WIDER = 2  # the wider proxy set, in budgets
CLUSTERS = 100  # as the experiment's: with another R, it would take a second release


def supervised_job(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Train on the picked items alone; the accuracy is of the client's test items."""
    score, steps = _score(task, rows)
    return measured(task, rows, score, costs, {"steps": float(steps)})


def fixmatch_job(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Train on the picked items with labels and on other public ones without. The score is with the rest of the pool.

    Where a release chose the items, details compare that with three more trainings on the same labels: without unlabeled items,
    with a wider proxy set of the same release (which costs no privacy), and with the public items of the client's own kind,
    which only an oracle can tell.
    """
    public = bool(np.isin(rows, task.pool).all())
    others = np.setdiff1d(task.pool, rows) if public else rows
    score, steps = _score(task, rows, others if len(others) else rows)
    if costs.epsilon is None:
        return measured(task, rows, score, costs, {"steps": float(steps)})
    found = {
        "supervised": _score(task, rows)[0],
        "rest of the pool": score,
        "wider proxy set": _score(task, rows, _wider(task, WIDER * len(rows), costs.epsilon))[0],
        "own kind": _score(task, rows, task.split.in_distribution)[0],
    }
    details = {f"{name}, accuracy": value for name, value in found.items()}
    for one, other in itertools.combinations(list(found)[:3], 2):
        details[f"{other} over {one}, gain"] = found[other] - found[one]
    details["own kind over rest of the pool, gain"] = found["own kind"] - score
    return measured(task, rows, score, costs, details)


def _wider(task: Task, budget: int, epsilon: float) -> Rows:
    """A larger proxy set of the default rule, from the release that the smaller one came from."""
    release = task.release(epsilon, task.probe(CLUSTERS, None, "float16"))
    return task.picks(DEFAULT_STRATEGY, CLUSTERS, [release], budget)


def _score(task: Task, rows: Rows, unlabeled: Rows | None = None) -> tuple[float, int]:
    """Accuracy after training on rows with their true labels, and with FixMatch on unlabeled ones where there are any."""
    return trained_score(task, rows, class_numbers(task)[0][rows], unlabeled)


def trained_score(
    task: Task, rows: Rows, y: NDArray[np.int64], unlabeled: Rows | None = None
) -> tuple[float, int]:
    """The same for classes y, (len(rows),), that someone gave to the rows: the metric, and how many steps it took."""
    X, (_, classes) = task.features.pixels(SIZE), class_numbers(task)
    settings = replace(SUPERVISED, seed=task.group.seed)

    def train(places: Places, run: Run) -> Fitted:
        model = build_model(MODEL, len(classes), size=X.shape[-1])
        if unlabeled is None:
            return supervised(model, X[rows[places]], y[places], settings, run=run)
        return fixmatch(model, X[rows[places]], y[places], X[unlabeled], settings, RULE, run=run)

    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(task.group.seed)
        found = converged(X[rows], np.eye(len(classes))[y], task.group.seed, train)
        return pixel_score(task, found.model, SIZE), found.steps
