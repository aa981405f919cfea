"""Labels that a model trained on the other labels does not believe: to be looked at again, not to be corrected by machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput, needing

_FOLDS = 5


@dataclass(frozen=True)
class Suspect:
    """A label that is probably wrong.

    Attributes:
        row: position in what was given.
        suggested: the class that the model believes in, as a code.
        confidence: the probability that the model gives to the label as it is, 0 to 1.
    """

    row: int
    suggested: int
    confidence: float


def suspicious(
    X: NDArray[np.floating], codes: NDArray[np.int64] | Sequence[int]
) -> tuple[list[Suspect], NDArray[np.int64]]:
    """Labels that confident learning (Northcutt, Jiang, Chuang: JAIR 2021; cleanlab) takes for wrong, the worst first.

    The probabilities are those of a logistic regression on the features, out of sample by stratified cross-validation.

    Args:
        X: (n, d) features, such as the index's embeddings.
        codes: (n,) classes as integers.

    Returns:
        The suspects, and the rows that could not be judged: the only items of their class, or all, where fewer than two
        classes have two items.

    Raises:
        InvalidInput: the shapes do not fit.
        MissingExtra: scikit-learn or cleanlab is not installed.
    """
    with needing("labels", "suspicious labels"):
        from cleanlab.filter import find_label_issues
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    given = np.asarray(codes, np.int64)
    if X.ndim != 2 or len(X) != len(given):
        raise InvalidInput(f"{len(given)} labels do not fit features of shape {X.shape}")
    classes, counts = np.unique(given, return_counts=True)
    enough = classes[counts > 1]
    if len(enough) < 2:
        return [], np.arange(len(given))
    judged = np.flatnonzero(np.isin(given, enough))
    y = np.searchsorted(enough, given[judged])
    folds = StratifiedKFold(min(_FOLDS, int(counts[counts > 1].min())), shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    P = cross_val_predict(model, X[judged], y, cv=folds, method="predict_proba")
    worst = find_label_issues(y, P, return_indices_ranked_by="self_confidence", n_jobs=1)
    suspects = [
        Suspect(int(judged[row]), int(enough[P[row].argmax()]), float(P[row, y[row]]))
        for row in map(int, worst)
    ]
    return suspects, np.setdiff1d(np.arange(len(given)), judged)
