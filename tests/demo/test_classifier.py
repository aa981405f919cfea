import numpy as np
import pytest

from proxyset.demo.classifier import accuracy
from proxyset.errors import InvalidInput


def test_what_can_be_told_apart_is():
    rng = np.random.default_rng(0)
    y = rng.choice(["cat", "dog"], 200)
    X = (rng.normal(size=(200, 4)) + 8 * (y == "dog")[:, None]).astype(np.float32)
    assert accuracy(X[:100], y[:100], X[100:], y[100:]) == 1.0


def test_noise_is_guessed_at_chance_and_every_time_the_same():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(2000, 4)).astype(np.float32), rng.choice(["cat", "dog"], 2000)
    found = {accuracy(X[:1000], y[:1000], X[1000:], y[1000:]) for _ in range(2)}
    assert len(found) == 1 and abs(found.pop() - 0.5) < 0.08  # 5 standard deviations: one false alarm in 10^6


def test_one_class_is_not_enough():
    with pytest.raises(InvalidInput, match="two classes"):
        accuracy(
            np.zeros((3, 2), np.float32), np.array(["a"] * 3), np.zeros((1, 2), np.float32), np.array(["a"])
        )
