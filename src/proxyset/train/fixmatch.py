"""FixMatch: a few labeled items, and many unlabeled ones that the model labels itself where it is sure.

Source: Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", NeurIPS 2020.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proxyset.errors import InvalidInput
from proxyset.train import augment, batches, losses
from proxyset.train.checks import check_items, check_labels
from proxyset.train.loop import Fitted, Run, fit
from proxyset.train.settings import Settings
from proxyset.train.supervised import digest, labeled


@dataclass(frozen=True)
class Unlabeled:
    """FixMatch's own options.

    Attributes:
        ratio: unlabeled items for each labeled one in a batch (μ).
        threshold: least probability that makes a prediction a target (τ).
        weight: of the unlabeled loss (λ).
        ramp: part of the steps over which that weight grows from 0, so that the first guesses do not lead.
    """

    ratio: int = 3
    threshold: float = 0.95
    weight: float = 1.0
    ramp: float = 0.0

    def __post_init__(self) -> None:
        if self.ratio < 1 or not 0 <= self.threshold <= 1 or self.weight < 0 or not 0 <= self.ramp <= 1:
            raise InvalidInput(f"FixMatch needs ratio ≥ 1, weight ≥ 0, threshold and ramp in [0, 1]: {self}")


def fixmatch(
    model: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    unlabeled: NDArray[np.uint8],
    settings: Settings | None = None,
    rule: Unlabeled | None = None,
    *,
    run: Run | None = None,
) -> Fitted:
    """Train a model on labeled and unlabeled images.

    Args:
        model: trained in place; seed torch before it is built.
        images: (n, 3, S, S) uint8.
        labels: (n,) int64 classes, 0 … K − 1.
        unlabeled: (m, 3, S, S) uint8; may repeat the labeled images.

    Raises:
        InvalidInput: as `supervised`; no unlabeled images; embeddings, which have no augmentation.
    """
    settings, rule, run = settings or Settings(), rule or Unlabeled(), run or Run()
    check_labels(images, labels)
    check_items(unlabeled)
    if images.ndim != 4 or unlabeled.shape[1:] != images.shape[1:]:
        raise InvalidInput(
            f"FixMatch needs labeled and unlabeled images of one size; they are {images.shape[1:]} and {unlabeled.shape[1:]}"
        )
    return fit(model, FixMatch(images, labels, unlabeled, settings, rule), settings, run)


@dataclass(frozen=True)
class FixMatch:
    """The objective; see `loop.Objective`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    unlabeled: NDArray[np.uint8]
    settings: Settings
    rule: Unlabeled

    def identity(self) -> object:
        arrays: tuple[NDArray[Any], ...] = (self.images, self.labels, self.unlabeled)
        return ["fixmatch", dataclasses.asdict(self.rule), *(digest(array) for array in arrays)]

    def batch(self, step: int, device: torch.device) -> tuple[Tensor, ...]:
        size, seed = self.settings.batch_size, self.settings.seed
        x, y = labeled(self.images, self.labels, None, step, self.settings, device)
        others = batches.rows(
            len(self.unlabeled), size * self.rule.ratio, step, seed, batches.UNLABELED
        ).numpy()
        u = batches.as_input(batches.as_tensor(self.unlabeled[others]), device)
        rng = batches.generator(seed, batches.UNLABELED_CHANGES, step)
        weak = augment.weak(u, rng, flip=self.settings.flip)
        strong = augment.strong(u, rng, flip=self.settings.flip)
        ramp = self.rule.ramp * self.settings.steps
        weight = self.rule.weight * min(1.0, (step + 1) / ramp if ramp else 1.0)
        return x, y, weak, strong, torch.full((size,), weight, device=device)

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        x, y, weak, strong, weight = batch
        # one pass over all, so that layers that normalise over a batch see what they will see later
        logits, guess, hard = model(torch.cat([x, weak, strong])).split([len(x), len(weak), len(strong)])
        known = losses.cross_entropy(logits, y)
        unknown, sure = losses.consistency(guess, hard, self.rule.threshold)
        return known + weight[0] * unknown, {"labeled": known, "unlabeled": unknown, "sure": sure}
