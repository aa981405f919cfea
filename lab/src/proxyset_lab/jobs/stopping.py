"""Early stopping, the same for every method: a part of the training items is held out, and says when a training has converged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

PART, FEWEST = 0.1, 20  # held out; of fewer items nothing is, and the training runs its steps
EVERY, PATIENCE = 100, 3  # steps between looks, and looks without a lower loss before it ends


class Stopping:
    """What `loop.Run.stop` asks: True once the loss on held-out items has not fallen for PATIENCE looks.

    Args:
        loss: of a model on the held-out items.

    Attributes:
        steps: after which that loss was lowest; None before the first look.
    """

    def __init__(self, loss: Callable[[nn.Module], float]) -> None:
        self._loss = loss
        self._least = float("inf")
        self._weights: dict[str, Any] = {}
        self.steps: int | None = None

    def __call__(self, model: nn.Module, done: int) -> bool:
        if done % EVERY:
            return False
        value = self._loss(model)
        if value < self._least or self.steps is None:
            self._least, self.steps = value, done
            self._weights = copy.deepcopy(model.state_dict())
        return done - self.steps >= PATIENCE * EVERY

    def best(self, model: nn.Module) -> nn.Module:
        """The model with the weights of the lowest loss; as it is where nobody looked."""
        if self.steps is not None:
            model.load_state_dict(self._weights)
        return model


def held_out(count: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the items that are trained on, and of those held out, which are none where there are fewer than FEWEST."""
    order = np.random.default_rng([seed, 18]).permutation(count)
    cut = round(PART * count) if count >= FEWEST else 0
    return np.sort(order[cut:]), np.sort(order[:cut])
