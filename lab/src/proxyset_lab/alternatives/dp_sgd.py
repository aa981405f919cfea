"""Local DP-SGD (Abadi et al., CCS 2016) by Opacus: the client trains on its own labelled items and publishes the model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from proxyset_lab.alternatives.linear import Bounded
from proxyset_lab.alternatives.rehearsed import rehearsed
from proxyset_lab.outcome import Costs, Outcome
from proxyset_lab.task import Task

BATCHES, EPOCHS = 4, 10  # an epoch has this many Poisson batches; large ones suit a small ε
RATES, CLIP = (0.02, 0.1, 0.5, 2.0), 1.0


def dp_sgd(task: Task, budget: int, epsilon: float) -> Outcome:
    """A linear classifier, from zero or (budget > 0) from one trained on `budget` random labelled pool items.

    The learning rate is one of RATES, chosen in rehearsals.

    Sensitivity:
        Each record's gradient is clipped to norm CLIP.
    Unit:
        One record, with its label.
    Guarantee:
        (ε, δ)-DP of the published weights by Opacus's PRV accountant for Poisson-sampled Gaussian steps, add/remove. The
        noise is floating point: good for a benchmark, not for real data.
    Assumes:
        The number of records is public (it sets the sampling rate).
    """

    def scores(of: Task, rates: Sequence[float]) -> list[float]:
        bounded = Bounded.of(of)
        W = bounded.start(of, budget)
        return [bounded.measure(of, _train(of, bounded, W, rate, epsilon)) for rate in rates]

    (score,) = scores(task, [rehearsed(task, RATES, scores)])
    parameters = Bounded.of(task).parameters
    start = 4 * parameters if budget else 0
    arithmetic = 2 * parameters * EPOCHS * len(task.split.client)  # a product forward, one for the gradient
    costs = Costs(epsilon, start, 4 * parameters, arithmetic, 1)
    return Outcome(score, budget, None, costs)


def _train(
    task: Task, bounded: Bounded, W: NDArray[np.float64], rate: float, epsilon: float
) -> NDArray[np.float64]:
    """Weights (D + 1, K) after all private steps from `W`."""
    import torch
    from opacus.grad_sample import GradSampleModule
    from opacus.optimizers import DPOptimizer

    client = task.split.client
    X = torch.tensor(bounded.X[client], dtype=torch.float32)
    y = torch.tensor(bounded.targets[client])
    torch.set_num_threads(1)
    torch.seed()  # noise from the system's entropy, not from torch's constant seed
    with warnings.catch_warnings(
        action="ignore"
    ):  # about hooks that a model without such layers does not use
        model = GradSampleModule(torch.nn.Linear(X.shape[1], W.shape[1], bias=False))
        with torch.no_grad():
            next(model.parameters()).copy_(torch.tensor(W.T))
        optimizer = DPOptimizer(
            torch.optim.SGD(model.parameters(), lr=rate),
            noise_multiplier=_noise(1 / BATCHES, BATCHES * EPOCHS, epsilon, task.delta),
            max_grad_norm=CLIP,
            expected_batch_size=max(1, len(client) // BATCHES),
        )
        for _ in range(BATCHES * EPOCHS):
            chosen = torch.rand(len(X)) < 1 / BATCHES
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(X[chosen]), y[chosen]).backward()  # type: ignore[no-untyped-call,unused-ignore]
            optimizer.step()
    trained: NDArray[np.float64] = next(model.parameters()).detach().numpy().T.astype(np.float64)
    return trained


@lru_cache(maxsize=256)
def _noise(rate: float, steps: int, epsilon: float, delta: float) -> float:
    """The least noise multiplier, by the PRV accountant of Opacus."""
    from opacus.accountants.utils import get_noise_multiplier

    with warnings.catch_warnings(action="ignore"):
        return float(
            get_noise_multiplier(
                target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=steps, accountant="prv"
            )
        )
