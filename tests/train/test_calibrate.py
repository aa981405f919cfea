"""Scores that are too sure, or lean to a class, are set right."""

import numpy as np
import pytest

from proxyset.errors import InvalidInput
from proxyset.train.calibrate import calibrate
from proxyset.train.models import linear_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised


def test_the_temperature_and_the_biases_are_found():
    rng = np.random.default_rng(0)
    right = 2 * rng.standard_normal((4000, 3))
    p = np.exp(right) / np.exp(right).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1).astype(np.int64)
    temperature, biases = calibrate((3 * (right - [1.0, 0.0, -1.0])).astype(np.float32), y)
    assert temperature == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(biases, [1, 0, -1], atol=0.2)
    # few items overcome no doubt
    temperature, biases = calibrate(np.array([[9, 0], [9, 0]], np.float32), np.array([0, 1]))
    assert 1 < temperature < 20 and np.abs(biases).max() < 1


def test_weights_move_a_model_and_bad_ones_are_refused():
    X = np.repeat(np.eye(2, dtype=np.float32), 20, axis=0)[:, [0, 0]] * 0 + 1
    y = np.arange(40, dtype=np.int64) % 2
    settings = Settings(steps=80, batch_size=20, lr=0.05)
    w = np.where(y == 1, 9.0, 1.0)
    fitted = supervised(linear_model(X, 2), X, y, settings, weights=w).model
    bias = fitted.head.bias.detach().numpy()
    assert bias[1] - bias[0] == pytest.approx(
        np.log(9), abs=0.5
    )  # the items are alike: shares are all there is
    for bad in (np.ones(3), np.zeros(40), -w, np.full(40, np.nan)):
        with pytest.raises(InvalidInput, match="weights"):
            supervised(linear_model(X, 2), X, y, settings, weights=bad)
