"""What the alternatives that train on the client share: a linear classifier on public, bounded features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from proxyset.demo.classifier import Labels
from proxyset.demo.splits import Rows
from proxyset_lab.task import Task

_C = 10.0  # of the start: features of norm 1 need larger weights than the benchmark's own
_UNSEEN = -5.0  # the start's score of a class that the public picks lacked


@dataclass(frozen=True)
class Bounded:
    """Features of norm √2 with a constant: principal components of the public pool, each row scaled to norm 1, and 1.

    Fewer dimensions and a bound on the norm are what private training needs; both are public.

    Attributes:
        X: (n, D + 1) float64 of all rows.
        classes: (K,) labels of the pool, sorted.
        targets: (n,) index of each row's label.
    """

    X: NDArray[np.float64]
    classes: Labels
    targets: NDArray[np.intp]

    @classmethod
    def of(cls, task: Task) -> Bounded:
        Z = task.index(None).projection(task.X).astype(np.float64)
        Z /= np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-12)
        classes, targets = np.unique(task.y, return_inverse=True)
        return cls(np.concatenate([Z, np.ones((len(Z), 1))], axis=1), classes, targets)

    @property
    def parameters(self) -> int:
        """(D + 1) · K."""
        return self.X.shape[1] * len(self.classes)

    def start(self, task: Task, budget: int) -> NDArray[np.float64]:
        """Weights (D + 1, K) to begin from: zero, or a logistic regression on `budget` random labelled pool items."""
        W = np.zeros((self.X.shape[1], len(self.classes)))
        if budget == 0:
            return W
        rows: Rows = task.rng(3).permutation(task.pool)[:budget]
        if len(np.unique(task.y[rows])) < 2:
            return W
        model = replace(task.training, C=_C).model().fit(self.X[rows, :-1], task.y[rows])
        weights = np.concatenate([model.coef_, model.intercept_[:, None]], axis=1)
        if len(model.classes_) == 2:
            weights = np.concatenate([-weights / 2, weights / 2])
        W[-1] = _UNSEEN
        W[:, np.searchsorted(self.classes, model.classes_)] = weights.T
        return W

    def measure(self, task: Task, W: NDArray[np.floating]) -> float:
        """The metric of weights (D + 1, K) on the test items."""
        test = task.split.test
        return task.training.measure(self.classes, self.X[test] @ W, task.y[test])
