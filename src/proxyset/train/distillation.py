"""Knowledge distillation: a small model learns what a large one says about items, labeled or not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proxyset.errors import InvalidInput
from proxyset.train import losses
from proxyset.train.checks import check_items, check_labels, check_weights
from proxyset.train.loop import Fitted, Run, fit
from proxyset.train.models import Classifier
from proxyset.train.settings import Settings
from proxyset.train.supervised import digest, labeled


@dataclass(frozen=True)
class Teaching:
    """Distillation's own options.

    Attributes:
        temperature: softens both distributions (T).
        label_weight: of cross-entropy with true labels, where there are any; the soft targets weigh the rest.
        feature_weight: of the loss between pairwise similarities of features; 0 for none.
    """

    temperature: float = 4.0
    label_weight: float = 0.0
    feature_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not 0 <= self.label_weight <= 1 or self.feature_weight < 0:
            raise InvalidInput(
                f"distillation needs temperature > 0, label_weight in [0, 1], feature_weight ≥ 0: {self}"
            )


def distil(
    student: Classifier,
    teacher: Classifier,
    items: NDArray[Any],
    settings: Settings | None = None,
    rule: Teaching | None = None,
    *,
    labels: NDArray[np.int64] | None = None,
    weights: NDArray[np.float64] | None = None,
    run: Run | None = None,
) -> Fitted:
    """Train a student on a teacher's answers. Both see the same augmented items.

    Args:
        student: trained in place; seed torch before it is built.
        teacher: left as it is, but moved to the device and to evaluation mode.
        items: (n, 3, S, S) uint8 pixels or (n, d) float32 embeddings.
        labels: (n,) int64, needed where `rule.label_weight` is above 0.
        weights: (n,) what each item counts in the losses of its answer and label, of which only the proportions matter.

    Raises:
        InvalidInput: nothing to train on, labels missing or wrong, models of different classes, or as `loop.fit`.
    """
    settings, rule, run = settings or Settings(), rule or Teaching(), run or Run()
    check_items(items)
    if labels is not None:
        check_labels(items, labels)
    elif rule.label_weight:
        raise InvalidInput(f"label_weight is {rule.label_weight:g}, but there are no labels")
    known = labels if labels is not None else np.zeros(len(items), np.int64)
    weights = None if weights is None else check_weights(items, weights)
    return fit(student, Distillation(teacher.eval(), items, known, settings, rule, weights), settings, run)


@dataclass(frozen=True)
class Distillation:
    """The objective; see `loop.Objective`."""

    teacher: Classifier
    items: NDArray[Any]
    labels: NDArray[np.int64]
    settings: Settings
    rule: Teaching
    weights: NDArray[np.float64] | None = None  # of mean 1

    def identity(self) -> object:
        weights = [digest(tensor.cpu().numpy()) for tensor in self.teacher.state_dict().values()]
        arrays = [digest(array) for array in (self.items, self.labels, self.weights) if array is not None]
        return ["distillation", dataclasses.asdict(self.rule), weights, arrays]

    def batch(self, step: int, device: torch.device) -> tuple[Tensor, ...]:
        return labeled(self.items, self.labels, self.weights, step, self.settings, device)

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Classifier)
        x, y, *given = batch
        w = given[0] if given else None
        with torch.no_grad():
            taught = self.teacher.to(x.device).features(x)
            target = self.teacher.head(taught)
        learned = model.features(x)
        logits = model.head(learned)
        if logits.shape != target.shape:
            raise InvalidInput(
                f"the student has {logits.shape[1]} classes, the teacher {target.shape[1]}: they must be the same"
            )
        hard = self.rule.label_weight
        loss = (1 - hard) * losses.distillation(logits, target, self.rule.temperature, weights=w)
        if hard:
            loss = loss + hard * losses.cross_entropy(logits, y, weights=w)
        if self.rule.feature_weight:
            loss = loss + self.rule.feature_weight * losses.similarity(learned, taught)
        return loss, {"agreement": (logits.argmax(dim=1) == target.argmax(dim=1)).float().mean()}
