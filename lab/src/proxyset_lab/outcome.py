"""What a method gave, and what it cost the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from proxyset.demo.splits import Rows
from proxyset_lab.task import Task


@dataclass(frozen=True)
class Costs:
    """What one client paid.

    Attributes:
        epsilon: of (ε, δ), None when private data was not asked, or not protected.
        bytes_down, bytes_up: bodies of all messages of one client.
        multiply_adds: of the client, after encoding its items (which all methods share).
        rounds: of messages there and back.
    """

    epsilon: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0
    multiply_adds: int = 0
    rounds: int = 0


@dataclass(frozen=True)
class Outcome:
    """A measured method.

    Attributes:
        score: the metric on the test items, in [0, 1].
        picked: how many items the model was trained on.
        own_share: the part of them that is of the private domain; None when nothing was picked.
        details: what else a job measured, by name; one that ends in "accuracy" or "share" is one, one that ends in "gain" a
            difference of shares.
    """

    score: float
    picked: int
    own_share: float | None
    costs: Costs = Costs()
    details: Mapping[str, float] = field(default_factory=dict)


class Job(Protocol):
    """What happens to picked items: train on those rows of the data set and measure.

    `weights` is what each counts, for the jobs whose labels cost nothing (`jobs.FREE_LABELS`); None for all alike.
    """

    def __call__(
        self, task: Task, rows: Rows, costs: Costs, weights: NDArray[np.float64] | None = None
    ) -> Outcome: ...


def classify(task: Task, rows: Rows, costs: Costs, weights: NDArray[np.float64] | None = None) -> Outcome:
    """The plain job: a logistic regression on frozen features."""
    return measured(task, rows, task.score(rows, weights), costs)


def measured(
    task: Task, rows: Rows, score: float, costs: Costs, details: Mapping[str, float] | None = None
) -> Outcome:
    """The outcome of a model that was trained on rows."""
    own = float(np.mean(task.features.domains[rows] == task.group.private))
    return Outcome(score, len(rows), own, costs, details or {})
