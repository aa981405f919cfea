"""Selective labeling: annotators label what was picked, and a small CNN is trained on the pixels.

The annotators are the ground truth. Every method gets the same model, initial weights, number of steps and augmentation; only
the picked items differ. With FixMatch the rest of the pool takes part without labels; what stays at home ("local") has only
its own images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from proxyset.bench.jobs.pixels import class_numbers, one_thread, pixel_score
from proxyset.bench.outcome import Costs, Outcome, measured
from proxyset.bench.splits import Rows
from proxyset.bench.task import Task
from proxyset.train.fixmatch import Unlabeled, fixmatch
from proxyset.train.loop import Fitted, Run
from proxyset.train.models import Classifier, build_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised

MODEL, SIZE = "cnn-16", 28
SUPERVISED = Settings(steps=300, batch_size=64)
FIXMATCH = Settings(steps=300, batch_size=32)
RULE = Unlabeled(ratio=2, threshold=0.95)


def supervised_job(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Train on the picked items alone; the accuracy is of the client's held-out items."""
    settings = replace(SUPERVISED, seed=task.group.seed)

    def train(model: Classifier, X: NDArray[np.uint8], y: NDArray[np.int64]) -> Fitted:
        return supervised(model, X[rows], y[rows], settings, run=Run(device="cpu"))

    return _trained(task, rows, costs, train)


def fixmatch_job(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Train on the picked items with labels and on the other public ones without."""
    settings = replace(FIXMATCH, seed=task.group.seed)
    others = np.setdiff1d(task.pool, rows) if np.isin(rows, task.pool).all() else rows

    def train(model: Classifier, X: NDArray[np.uint8], y: NDArray[np.int64]) -> Fitted:
        unlabeled = X[others if len(others) else rows]
        return fixmatch(model, X[rows], y[rows], unlabeled, settings, RULE, run=Run(device="cpu"))

    return _trained(task, rows, costs, train)


_Train = Callable[[Classifier, NDArray[np.uint8], NDArray[np.int64]], Fitted]


def _trained(task: Task, rows: Rows, costs: Costs, train: _Train) -> Outcome:
    X, (y, classes) = task.features.pixels(SIZE), class_numbers(task)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(task.group.seed)
        model = build_model(MODEL, len(classes), size=X.shape[-1])
        return measured(task, rows, pixel_score(task, train(model, X, y).model, SIZE), costs)
