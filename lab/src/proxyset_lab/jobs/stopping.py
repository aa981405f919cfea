"""Early stopping, the same for every method: a part of the training items is held out, and says when a training has converged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from proxyset.train.evaluate import predict
from proxyset.train.loop import Fitted, Run
from proxyset.train.models import Classifier

PART, FEWEST, MOST = (
    0.1,
    20,
    500,
)  # held out; of fewer items nothing is, and the training runs all of its steps
EVERY, PATIENCE = 100, 3  # steps between looks, and looks without a lower loss before it ends
_FLOOR = 1e-12  # of a probability

Places = NDArray[np.intp]


class Converged(NamedTuple):
    """A trained model: the weights of the lowest loss on held-out items, and the steps that were made."""

    model: Classifier
    steps: int


class Stopping:
    """What `loop.Run.stop` asks: True once the loss on held-out items has not fallen for PATIENCE looks.

    Args:
        X: (n, 3, S, S) uint8, held out, n ≥ 1.
        targets: (n, K) what is wanted of them: probabilities.
    """

    def __init__(self, X: NDArray[np.uint8], targets: NDArray[np.floating[Any]]) -> None:
        self._X, self._targets = X, targets
        self._least, self._at = float("inf"), 0
        self._weights: dict[str, Any] | None = None

    def __call__(self, model: nn.Module, done: int) -> bool:
        if done % EVERY:
            return False
        loss = float(
            -(self._targets * np.log(np.maximum(predict(model, self._X), _FLOOR))).sum(axis=1).mean()
        )
        if loss < self._least:
            self._least, self._at, self._weights = loss, done, copy.deepcopy(model.state_dict())
        return done - self._at >= PATIENCE * EVERY

    def restore(self, model: nn.Module) -> None:
        """Give a model the weights of the lowest loss; it stays as it is where nobody looked."""
        if self._weights is not None:
            model.load_state_dict(self._weights)


def converged(
    X: NDArray[np.uint8],
    targets: NDArray[np.floating[Any]],
    seed: int,
    train: Callable[[Places, Run], Fitted],
) -> Converged:
    """Train until the loss on held-out items no longer falls, or the settings' steps are made.

    Args:
        X: (n, 3, S, S) uint8 training items.
        targets: (n, K) what is wanted of them: probabilities, of a label all on one class.
        seed: of what is held out.
        train: trains on the items at some places.
    """
    order = np.random.default_rng([seed, 18]).permutation(len(X))
    cut = min(MOST, round(PART * len(X))) if len(X) >= FEWEST else 0
    rest, held = np.sort(order[cut:]), np.sort(order[:cut])
    stopping = Stopping(X[held], targets[held]) if cut else None
    fitted = train(rest, Run(device="cpu", stop=stopping))
    assert isinstance(fitted.model, Classifier)
    if stopping:
        stopping.restore(fitted.model)
    return Converged(fitted.model, fitted.steps)
