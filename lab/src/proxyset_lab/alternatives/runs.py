"""The alternatives by name: each takes a task, a budget and ε, and returns an outcome."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from proxyset_lab.alternatives.dp_classifier import dp_classifier
from proxyset_lab.alternatives.dp_newton import dp_newton
from proxyset_lab.alternatives.dp_sgd import dp_sgd
from proxyset_lab.alternatives.fedavg import dp_fedavg
from proxyset_lab.alternatives.private_evolution import private_evolution
from proxyset_lab.outcome import Costs, Outcome, classify
from proxyset_lab.task import Task

_LABEL_BYTES = 1


def upload(task: Task, budget: int, epsilon: float) -> Outcome:
    """Send every private item with its label; train on them and on the pool's items of the same kind. NOT PRIVATE."""
    rows = np.concatenate([task.split.client, task.split.in_distribution])
    weight = int(task.features.item_bytes[task.split.client].sum()) + _LABEL_BYTES * len(task.split.client)
    return classify(task, rows, Costs(bytes_up=weight, rounds=1))


def dp_sgd_whole(task: Task, budget: int, epsilon: float) -> Outcome:
    """`dp_sgd` from a model of the whole labelled pool."""
    return dp_sgd(task, len(task.pool), epsilon)


ALTERNATIVE_RUNS: dict[str, Callable[[Task, int, float], Outcome]] = {
    "dp-sgd": dp_sgd,
    "dp-sgd-public": dp_sgd,
    "dp-sgd-whole": dp_sgd_whole,
    "dp-newton": dp_newton,
    "dp-fedavg": dp_fedavg,
    "dp-fedavg-public": dp_fedavg,
    "private-evolution": private_evolution,
    "dp-classifier": dp_classifier,
    "upload": upload,
}
