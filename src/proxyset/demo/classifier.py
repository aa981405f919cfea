"""The small classifier that every method of a benchmark trains, with one setting that favours none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput, needing

Labels = NDArray[np.str_]


def accuracy(X: NDArray[np.float32], y: Labels, X_test: NDArray[np.float32], y_test: Labels) -> float:
    """Train a logistic regression and test it.

    Deterministic. Features keep their unit: HOG blocks have norm 1, and no statistic of the private domain is
    used.

    Args:
        X: (n, d) features of the training items.
        y: (n,) their labels, at least two different ones.
        X_test: (m, d).
        y_test: (m,).

    Returns:
        The part of test items that get their own label, in [0, 1].

    Raises:
        InvalidInput: fewer than two classes in `y`.
        MissingExtra: scikit-learn is not installed.
    """
    with needing("demo", "the benchmark's classifiers"):
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    if len(np.unique(y)) < 2:
        raise InvalidInput(f"{len(y)} training items of one class: a classifier needs two classes")
    with threadpool_limits(1):  # products this small lose more to waiting threads than they gain
        model: Any = LogisticRegression(C=10.0, max_iter=1000).fit(X, y)
    return float(model.score(X_test, y_test))
