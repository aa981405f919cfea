"""The one way of training and measuring that every method of a benchmark gets: only the selection varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from proxyset.demo.classifier import Labels
from proxyset.errors import InvalidInput

Metric = Literal["accuracy", "balanced accuracy", "AUC"]


@dataclass(frozen=True)
class Training:
    """A logistic regression on frozen features, and what counts as good.

    Attributes:
        C: inverse strength of the L2 penalty; chosen once a data set, on public items alone.
        balanced: whether classes weigh the same, however many items they have.
        metric: "accuracy"; "balanced accuracy" (mean over classes) where classes are skewed; "AUC" for two classes.
    """

    C: float
    balanced: bool
    metric: Metric

    def score(
        self,
        X: NDArray[np.float32],
        y: Labels,
        X_test: NDArray[np.float32],
        y_test: Labels,
        weights: NDArray[np.float64] | None = None,
    ) -> float:
        """Train and test; deterministic.

        Args:
            X: (n, d), n ≥ 1. With a single class among `y`, everything is said to be that class.
            y: (n,).
            X_test: (m, d).
            y_test: (m,).
            weights: (n,) what each item counts; None for all alike.

        Returns:
            The metric, in [0, 1].

        Raises:
            InvalidInput: nothing to train on.
        """
        if not len(y):
            raise InvalidInput("there is nothing to train on: 0 items were picked")
        classes = np.unique(y)
        if len(classes) < 2:
            return self.measure(classes, np.zeros((len(y_test), 1)), y_test)
        model = self.model().fit(X, y, sample_weight=weights)
        scores: NDArray[np.float64] = model.decision_function(X_test)
        return self.measure(model.classes_, scores, y_test)

    def model(self) -> Any:
        """An unfitted classifier of scikit-learn."""
        from sklearn.linear_model import LogisticRegression

        weight = "balanced" if self.balanced else None
        return LogisticRegression(C=self.C, max_iter=1000, class_weight=weight)

    def measure(self, classes: Labels, scores: NDArray[np.floating[Any]], y_test: Labels) -> float:
        """The metric of a model's scores.

        Args:
            classes: (K,) sorted labels that the model knows.
            scores: (m, K), the largest wins; or (m,) for two classes, positive for the second.
            y_test: (m,).
        """
        if self.metric == "AUC":
            from sklearn.metrics import roc_auc_score

            if len(classes) < 2:
                return 0.5
            second = scores if scores.ndim == 1 else scores[:, 1] - scores[:, 0]
            return float(roc_auc_score(y_test == classes[1], second))
        chosen = classes[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]
        right = chosen == y_test
        if self.metric == "accuracy":
            return float(right.mean())
        return float(np.mean([right[y_test == label].mean() for label in np.unique(y_test)]))


TRAININGS = {
    "paper-digits": Training(C=10.0, balanced=False, metric="accuracy"),
    "domainnet-10": Training(C=0.03, balanced=True, metric="balanced accuracy"),
    "domainnet-345": Training(C=0.03, balanced=True, metric="balanced accuracy"),
    "digits-small": Training(C=10.0, balanced=False, metric="accuracy"),
    "digits": Training(C=10.0, balanced=False, metric="accuracy"),
    "iconnet": Training(C=0.03, balanced=True, metric="balanced accuracy"),
    "sentiment": Training(C=1.0, balanced=True, metric="balanced accuracy"),
    "flights": Training(C=0.1, balanced=True, metric="AUC"),
}
_OTHERS = Training(C=1.0, balanced=True, metric="balanced accuracy")


def training_of(data_set: str) -> Training:
    """How the classifier of a data set is trained and judged: the same for every method, and for all sets of other packages."""
    return TRAININGS.get(data_set, _OTHERS)
