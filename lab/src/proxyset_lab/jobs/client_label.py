"""Client labeling: how good the labels are that ε buys, and what a model trained on them is worth.

The client labels what was picked with noisy votes of its own labeled records, and a classifier is trained on the labels that
came back. Release and labels are paid for together, at most `TOTAL`: what the release left is spent on labels, so methods that
need no release have a little more. Beside the score, details say how many items got a label, how many of those labels are
right, and what the same items are worth when people label all of them.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from proxyset.client.calibration import privacy_statement
from proxyset.client.labeling import answer_questions
from proxyset.client.ledger import Cap, Ledger
from proxyset.demo.classifier import Labels
from proxyset.demo.splits import Rows
from proxyset.encoders.encoder import EncoderSpec
from proxyset.fingerprint import fingerprint
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.questions import ABSTAINED, Questions
from proxyset_lab.outcome import Costs, Outcome, measured
from proxyset_lab.task import Task

TOTAL = Cap(5.0, 1e-5)

# trains on rows with the given labels; the metric on the client's test items, and the steps of a training that has such
Trainer = Callable[[Task, Rows, Labels], tuple[float, int | None]]


def bounded_votes(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Labels by the default rule of voting; a logistic regression on frozen features."""
    return _labeled(task, rows, costs, on_features, rule="bounded-votes")


def private_knn(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Labels by private k nearest neighbours."""
    return _labeled(task, rows, costs, on_features, rule="private-knn")


def screened_knn(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Private k nearest neighbours that spends a fifth of its budget on the noisy screening, and answers whatever passes it."""
    return _labeled(task, rows, costs, on_features, rule="private-knn", screening=0.2, lead=0.0)


def bounded_votes_on_pixels(task: Task, rows: Rows, costs: Costs) -> Outcome:
    """Labels by the default rule of voting; the small CNN of the job on annotators' labels (`selective`)."""
    return _labeled(task, rows, costs, on_pixels, rule="bounded-votes")


def on_features(task: Task, rows: Rows, labels: Labels) -> tuple[float, int | None]:
    """The benchmark's logistic regression on frozen features."""
    test = task.split.test
    return task.training.score(task.X[rows], labels, task.X[test], task.y[test]), None


def on_pixels(task: Task, rows: Rows, labels: Labels) -> tuple[float, int | None]:
    """The small CNN, trained as with annotators' labels; what is held out to say when to stop has the client's labels."""
    from proxyset_lab.jobs.pixels import class_numbers
    from proxyset_lab.jobs.selective import trained_score

    _, classes = class_numbers(task)
    return trained_score(task, rows, np.searchsorted(classes, labels))


def _labeled(task: Task, rows: Rows, costs: Costs, train: Trainer, **rule: Any) -> Outcome:
    """Ask the client for labels, train on those that came back, and compare with true labels of the same items."""
    spent = 0.0 if costs.epsilon is None else privacy_statement(costs.epsilon, task.delta).rho
    classes = sorted({str(label) for label in task.y})
    asked = Questions.build(
        task.X[rows],
        [str(row) for row in rows],
        classes,
        EncoderSpec(name="embeddings", dim=task.X.shape[1]),
        index=task.index(None).fingerprint,
        proxy=fingerprint(rows.tolist()),
    )
    own = {str(row): str(label) for row, label in enumerate(task.y[task.split.client])}
    private, remaining = (
        task.X[task.split.client],
        Cap(zcdp_epsilon(TOTAL.rho - spent, TOTAL.delta), TOTAL.delta),
    )
    with tempfile.TemporaryDirectory(dir=task.work) as folder:
        ledger = Ledger.open(Path(folder) / "ledger.sqlite", cap=remaining)
        left = math.floor(1000 * remaining.epsilon) / 1000
        found = answer_questions(asked, private, own, epsilon=left, ledger=ledger, dataset="client", **rule)
        total = zcdp_epsilon(spent + ledger.spent(), TOTAL.delta)  # screening may leave some unspent
    kept = found.labels != ABSTAINED
    labels = np.array(classes)[found.labels[kept]]
    score, steps = train(task, rows[kept], labels) if kept.any() else (0.0, None)
    details = {"answered, share": float(kept.mean())}
    if kept.any():
        details["right of the answered, share"] = float((labels == task.y[rows[kept]]).mean())
    details |= {"with true labels, accuracy": train(task, rows, task.y[rows])[0], "ε in all": total}
    if steps is not None:
        details["steps"] = float(steps)
    costs = replace(
        costs,
        epsilon=total,
        bytes_down=costs.bytes_down + len(asked.data),
        bytes_up=costs.bytes_up + len(found.to_bytes()),
        rounds=costs.rounds + 1,
    )
    return measured(task, rows, score, costs, details)
