"""The exponential moving average of a model's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average:
    """A second model whose weights follow the first.

    average ← d · average + (1 − d) · weights with d = min(decay, (1 + t) / (10 + t)) at step t: the first steps are forgotten
    fast. Buffers (running statistics) are averaged as well; counters are copied.

    Attributes:
        model: the average, in evaluation mode, without gradients.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Follow the weights after a step, counted from 0."""
        pull = 1 - min(self._decay, (1 + step) / (10 + step))
        for own, other in zip(_tensors(self.model), _tensors(model), strict=True):
            if own.is_floating_point():
                own.lerp_(other, pull)
            else:
                own.copy_(other)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
