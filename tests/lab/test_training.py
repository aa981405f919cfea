import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from proxyset.errors import InvalidInput
from proxyset_lab.training import TRAININGS, Training


def _data(seed, n=400):
    rng = np.random.default_rng(seed)
    y = rng.choice(["a", "b", "b", "b"], n)
    return (rng.normal(size=(n, 3)) + (y == "b")[:, None]).astype(np.float32), y


def test_metrics_are_those_of_scikit_learn():
    (X, y), (T, t) = _data(0), _data(1)
    balanced = Training(1.0, True, "balanced accuracy")
    model = balanced.model().fit(X, y)
    assert balanced.score(X, y, T, t) == pytest.approx(balanced_accuracy_score(t, model.predict(T)))
    auc = Training(1.0, True, "AUC").score(X, y, T, t)
    assert auc == pytest.approx(roc_auc_score(t == "b", model.decision_function(T)))
    assert Training(1.0, False, "accuracy").score(X, y, T, t) == pytest.approx(
        Training(1.0, False, "accuracy").model().fit(X, y).score(T, t)
    )


def test_more_classes_in_the_test_than_in_training_count_as_wrong():
    X = np.array([[0.0], [1.0]], np.float32)
    found = Training(10.0, False, "accuracy").score(X, np.array(["a", "b"]), X, np.array(["a", "c"]))
    assert found == 0.5


def test_one_class_says_always_the_same():
    X, y, t = np.zeros((3, 2), np.float32), np.array(["a"] * 3), np.array(["a", "b", "b", "b"])
    T = np.zeros((4, 2), np.float32)
    assert Training(1.0, False, "accuracy").score(X, y, T, t) == 0.25
    assert Training(1.0, True, "balanced accuracy").score(X, y, T, t) == 0.5
    assert Training(1.0, True, "AUC").score(X, y, T, t) == 0.5


def test_nothing_to_train_on():
    with pytest.raises(InvalidInput, match="0 items"):
        TRAININGS["digits"].score(
            np.zeros((0, 2), np.float32), np.array([]), np.zeros((1, 2), np.float32), np.array(["a"])
        )
