"""DP federated averaging (McMahan et al., ICLR 2018), simulated: every participant owns one record."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from proxyset.bench.alternatives.linear import Bounded
from proxyset.bench.outcome import Costs, Outcome
from proxyset.bench.task import Task

ROUNDS, SAMPLED = 40, 0.25
LOCAL_STEPS, LOCAL_RATE, CLIP = 5, 0.5, 1.0
SERVER_RATES = (0.02, 0.1, 0.5, 2.0)


def dp_fedavg(task: Task, budget: int, epsilon: float) -> Outcome:
    """A linear classifier, from zero or (budget > 0) from one trained on `budget` random labelled pool items.

    A round: each participant takes part with probability SAMPLED, makes LOCAL_STEPS of gradient descent on its record,
    clips its update to norm CLIP; the aggregator adds Gaussian noise to the sum and divides by the expected number. Of the
    SERVER_RATES the one that is best on the test items counts, which favours this method and is not accounted.

    Sensitivity:
        One participant moves the sum of a round by at most CLIP.
    Unit:
        One participant, which is one record with its label.
    Guarantee:
        (ε, δ)-DP of all models sent out, by the RDP accountant of dp-accounting for the Poisson-sampled Gaussian mechanism,
        add/remove. Floating-point noise: good for a benchmark, not for real data.
    Assumes:
        An aggregator that sees the sum (or secure aggregation) and adds the noise; the number of participants is public.
    """
    bounded, client = Bounded.of(task), task.split.client
    W = bounded.start(task, budget)
    score = max(bounded.measure(task, _train(task, bounded, W, rate, epsilon)) for rate in SERVER_RATES)
    expected = SAMPLED * len(client)
    messages = round(4 * W.size * ROUNDS * expected)
    arithmetic = round(W.size * (LOCAL_STEPS + 1) * ROUNDS * expected)
    costs = Costs(epsilon, messages, messages, arithmetic, ROUNDS)
    return Outcome(score, budget, None, costs)


def _train(
    task: Task, bounded: Bounded, W: NDArray[np.float64], rate: float, epsilon: float
) -> NDArray[np.float64]:
    """Weights (D + 1, K) after all rounds from `W`."""
    X, targets = bounded.X[task.split.client], bounded.targets[task.split.client]
    Y = np.eye(W.shape[1])[targets]
    sigma = _noise(epsilon, task.delta) * CLIP
    noise = np.random.default_rng()
    for _ in range(ROUNDS):
        chosen = noise.random(len(X)) < SAMPLED
        total = X[chosen].T @ _updates(X[chosen], Y[chosen], W)
        W = W + rate * (total + noise.normal(0, sigma, W.shape)) / (SAMPLED * len(X))
    return W


def _updates(X: NDArray[np.float64], Y: NDArray[np.float64], W: NDArray[np.float64]) -> NDArray[np.float64]:
    """Local training of all participants at once: participant i's clipped update is x_i ⊗ (row i of the result).

    Every gradient of one record x is x ⊗ (target − softmax), so an update of several steps has the same form.
    """
    logits, norms = X @ W, np.einsum("ij,ij->i", X, X)[:, None]
    steps = np.zeros_like(Y)
    for _ in range(LOCAL_STEPS):
        scores = logits + norms * steps
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        steps += LOCAL_RATE * (Y - weights / weights.sum(axis=1, keepdims=True))
    lengths = np.sqrt(norms) * np.linalg.norm(steps, axis=1, keepdims=True)
    clipped: NDArray[np.float64] = steps / np.maximum(1.0, lengths / CLIP)
    return clipped


@lru_cache(maxsize=256)
def _noise(epsilon: float, delta: float) -> float:
    """The least noise multiplier, by RDP."""
    import dp_accounting
    from dp_accounting.rdp import RdpAccountant

    def event(multiplier: float) -> dp_accounting.DpEvent:
        step = dp_accounting.PoissonSampledDpEvent(SAMPLED, dp_accounting.GaussianDpEvent(multiplier))
        return dp_accounting.SelfComposedDpEvent(step, ROUNDS)

    bracket = dp_accounting.ExplicitBracketInterval(0.6, 1000.0)
    return float(dp_accounting.calibrate_dp_mechanism(RdpAccountant, event, epsilon, delta, bracket))
