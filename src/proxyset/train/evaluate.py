"""How good a classifier is: accuracy with its interval, what it confuses, and whether its probabilities mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from proxyset.errors import InvalidInput
from proxyset.train import batches

_Z95 = 1.959964  # two-sided 95 % of a normal distribution
_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Items whose surest class has a probability in (low, high].

    Attributes:
        items: how many.
        confidence: the mean of that probability; the middle of the bin when it is empty.
        accuracy: the part that is right; 0 when it is empty.
    """

    low: float
    high: float
    items: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """A classifier on n labeled items.

    Attributes:
        items: n.
        accuracy: the part that is right.
        low, high: its 95 % interval (Wilson): over other test items of this kind, not over other trainings.
        balanced_accuracy: mean over the classes that occur.
        confusion: (K, K) counts, true class by predicted class.
        bins: the reliability curve, ten of equal width.
        calibration_error: expected calibration error: mean of |confidence − accuracy| over bins, weighted by items.
    """

    items: int
    accuracy: float
    low: float
    high: float
    balanced_accuracy: float
    confusion: NDArray[np.int64]
    bins: tuple[Bin, ...]
    calibration_error: float

    def summary(self, classes: Sequence[str]) -> dict[str, Any]:
        """For JSON."""
        return {
            "items": self.items,
            "accuracy": self.accuracy,
            "accuracy_interval": [self.low, self.high],
            "balanced_accuracy": self.balanced_accuracy,
            "calibration_error": self.calibration_error,
            "classes": list(classes),
            "confusion": self.confusion.tolist(),
        }


def predict(
    model: nn.Module, items: NDArray[Any], device: torch.device | None = None, size: int = 256
) -> NDArray[np.float32]:
    """(n, K) probabilities.

    Args:
        model: in evaluation mode.
        items: (n, 3, S, S) uint8 pixels or (n, d) float32 embeddings.
        device: where the model lies; the CPU by default.
        size: items at once.
    """
    device = device or torch.device("cpu")
    parts = []
    with torch.inference_mode():
        for start in range(0, len(items), size):
            x = batches.as_input(batches.as_tensor(items[start : start + size]), device)
            parts.append(model(x).float().softmax(dim=1).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def evaluate(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Evaluation:
    """Compare probabilities with labels.

    Args:
        probabilities: (n, K).
        labels: (n,) classes.

    Raises:
        InvalidInput: nothing to test on, or a label that is none of the K classes.
    """
    n, K = probabilities.shape
    if not n or labels.shape != (n,):
        raise InvalidInput(
            f"a test needs a label for each item; there are {n} items and {len(labels)} labels"
        )
    if labels.min() < 0 or labels.max() >= K:
        raise InvalidInput(f"test labels must lie in 0…{K - 1}; they reach {labels.min()}…{labels.max()}")
    guess, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = guess == labels
    confusion = np.zeros((K, K), np.int64)
    np.add.at(confusion, (labels, guess), 1)
    of_class = confusion.sum(axis=1)
    recalls = confusion.diagonal()[of_class > 0] / of_class[of_class > 0]
    bins = _bins(sureness, right)
    return Evaluation(
        n,
        float(right.mean()),
        *wilson(int(right.sum()), n),
        float(recalls.mean()),
        confusion,
        bins,
        sum(found.items / n * abs(found.confidence - found.accuracy) for found in bins),
    )


def wilson(right: int, items: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927)."""
    share, z2 = right / items, _Z95**2
    centre = (share + z2 / (2 * items)) / (1 + z2 / items)
    half = _Z95 * (share * (1 - share) / items + z2 / (4 * items**2)) ** 0.5 / (1 + z2 / items)
    return max(0.0, centre - half), min(1.0, centre + half)


def _bins(sureness: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    place = np.clip(np.ceil(sureness * _BINS).astype(int) - 1, 0, _BINS - 1)
    found = []
    for number in range(_BINS):
        here, low, high = place == number, number / _BINS, (number + 1) / _BINS
        items = int(here.sum())
        confidence = float(sureness[here].mean()) if items else (low + high) / 2
        found.append(Bin(low, high, items, confidence, float(right[here].mean()) if items else 0.0))
    return tuple(found)
