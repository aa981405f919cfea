"""How far a classifier's scores can be believed: temperature and biases that make them right on items it has not seen."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

_PULL = 4.0  # items' worth of belief that a bias is 0 and the temperature 1
_STEPS = 100


def calibrate(
    logits: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> tuple[float, list[float]]:
    """Temperature T and biases b for which softmax(logits / T + b) has the least weighted cross-entropy.

    Bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar 2020), held to T = 1 and b = 0 by a penalty that few
    items cannot overcome.

    Args:
        logits: (n, K) of held-out items.
        labels: (n,) int64.
        weights: (n,) of the items; None for equal ones.

    Returns:
        T in [0.05, 20], and K biases with mean 0.
    """
    Z, y = torch.from_numpy(logits.astype(np.float64)), torch.from_numpy(labels)
    given = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    w = torch.from_numpy(given * len(given) / given.sum())
    slope = torch.zeros((), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(Z.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = Z * slope.clamp(-3, 3).exp() + bias
        wrong = torch.nn.functional.cross_entropy(scores, y, reduction="none")
        total = (w * wrong).sum() + _PULL / 2 * (slope.square() + bias.square().sum())
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    found = bias.detach()
    return float((-slope.detach().clamp(-3, 3)).exp()), (found - found.mean()).tolist()
