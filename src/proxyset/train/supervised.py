"""Supervised training: labeled items, one loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proxyset.fingerprint import fingerprint
from proxyset.train import augment, batches, losses
from proxyset.train.checks import check_items, check_labels, check_weights
from proxyset.train.loop import Fitted, Run, fit
from proxyset.train.settings import Settings

Loss = Literal["cross-entropy", "generalised-cross-entropy"]


def supervised(
    model: nn.Module,
    items: NDArray[Any],
    labels: NDArray[np.int64],
    settings: Settings | None = None,
    *,
    loss: Loss = "cross-entropy",
    weights: NDArray[np.float64] | None = None,
    run: Run | None = None,
) -> Fitted:
    """Train a model on labeled items.

    Args:
        model: trained in place; seed torch before it is built.
        items: (n, 3, S, S) uint8 pixels or (n, d) float32 embeddings.
        labels: (n,) int64 classes, 0 … K − 1.
        loss: "generalised-cross-entropy" where labels may be wrong.
        weights: (n,) what each item counts in the loss, of which only the proportions matter; None for all alike.

    Raises:
        InvalidInput: nothing to train on, an unlabeled row (< 0), one class only, weights that are no such numbers, or as
            `loop.fit`.
    """
    settings, run = settings or Settings(), run or Run()
    check_labels(items, labels)
    if weights is not None:
        weights = check_weights(items, weights)
    return fit(model, Supervised(items, labels, settings, loss, weights), settings, run)


@dataclass(frozen=True)
class Supervised:
    """The objective; see `loop.Objective`."""

    items: NDArray[Any]
    labels: NDArray[np.int64]
    settings: Settings
    kind: Loss = "cross-entropy"
    weights: NDArray[np.float64] | None = None  # of mean 1

    def __post_init__(self) -> None:
        check_items(self.items)

    def identity(self) -> object:
        weights = [] if self.weights is None else [digest(self.weights)]
        return ["supervised", self.kind, *(digest(array) for array in (self.items, self.labels)), *weights]

    def batch(self, step: int, device: torch.device) -> tuple[Tensor, ...]:
        return labeled(self.items, self.labels, self.weights, step, self.settings, device)

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        x, y, *w = batch
        logits = model(x)
        robust = self.kind == "generalised-cross-entropy"
        found = (losses.generalised_cross_entropy if robust else losses.cross_entropy)(
            logits, y, weights=w[0] if w else None
        )
        return found, {"accuracy": (logits.detach().argmax(dim=1) == y).float().mean()}


def labeled(
    items: NDArray[Any],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
    step: int,
    settings: Settings,
    device: torch.device,
) -> tuple[Tensor, ...]:
    """The items of a step, augmented as the settings say, with their labels, and with their weights where there are any."""
    chosen = batches.rows(len(items), settings.batch_size, step, settings.seed).numpy()
    x = batches.as_input(batches.as_tensor(items[chosen]), device)
    x, y = _changed(x, step, settings), batches.as_tensor(labels[chosen]).to(device)
    if weights is None:
        return x, y
    return x, y, batches.as_tensor(weights[chosen].astype(np.float32)).to(device)


def _changed(x: Tensor, step: int, settings: Settings) -> Tensor:
    if settings.augment == "none" or x.ndim != 4:
        return x
    rng = batches.generator(settings.seed, batches.CHANGES, step)
    return (augment.strong if settings.augment == "strong" else augment.weak)(x, rng, flip=settings.flip)


def digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values."""
    head = f"{array.dtype.str} {array.shape} ".encode()
    return fingerprint(head + np.ascontiguousarray(array).tobytes())
