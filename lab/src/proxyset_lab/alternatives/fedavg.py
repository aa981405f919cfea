"""DP federated averaging (McMahan et al., ICLR 2018), simulated: every participant owns one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from proxyset_lab.alternatives.linear import Bounded
from proxyset_lab.alternatives.rehearsed import rehearsed
from proxyset_lab.outcome import Costs, Outcome
from proxyset_lab.task import Task

Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
ROUNDS, SAMPLED = 40, 0.25
LOCAL_STEPS, LOCAL_RATE, CLIP = 5, 0.5, 1.0
SERVER_RATES = (0.02, 0.1, 0.5, 2.0)


def dp_fedavg(task: Task, budget: int, epsilon: float) -> Outcome:
    """A linear classifier, from zero or (budget > 0) from one trained on `budget` random labelled pool items.

    A round: each participant takes part with probability SAMPLED, makes LOCAL_STEPS of gradient descent on its record,
    clips its update to norm CLIP; the aggregator adds Gaussian noise to the sum and divides by the expected number. The
    server's rate is one of SERVER_RATES, chosen in rehearsals.

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

    def scores(of: Task, rates: Sequence[float]) -> list[float]:
        bounded = Bounded.of(of)
        W = bounded.start(of, budget)
        return [bounded.measure(of, _train(of, bounded, W, rate, epsilon)) for rate in rates]

    (score,) = scores(task, [rehearsed(task, SERVER_RATES, scores)])
    parameters, expected = Bounded.of(task).parameters, SAMPLED * len(task.split.client)
    messages = round(4 * parameters * ROUNDS * expected)
    arithmetic = round(parameters * (LOCAL_STEPS + 1) * ROUNDS * expected)
    costs = Costs(epsilon, messages, messages, arithmetic, ROUNDS)
    return Outcome(score, budget, None, costs)


def _train(task: Task, bounded: Bounded, W: Matrix, rate: float, epsilon: float) -> Matrix:
    """Weights (D + 1, K) after all rounds from `W`."""
    X, targets = bounded.X[task.split.client], bounded.targets[task.split.client]
    Y = np.eye(W.shape[1])[targets]
    sigma = _noise(epsilon, task.delta) * CLIP

    def summed(W: Matrix, chosen: Rows) -> Matrix:
        total: Matrix = X[chosen].T @ updates(X[chosen], Y[chosen], W)
        return total

    return rounds(summed, len(X), W, rate, sigma, np.random.default_rng())


def rounds(
    summed: Callable[[Matrix, Rows], Matrix],
    participants: int,
    W: Matrix,
    rate: float,
    sigma: float,
    rng: np.random.Generator,
    count: int = ROUNDS,
) -> Matrix:
    """The aggregator's side: choose, collect, add noise, step.

    Args:
        summed: what the chosen participants' clipped updates from W add up to, (D + 1, K).
        rng: of choices and noise; a seed is for comparisons of two loops alone.
    """
    for _ in range(count):
        chosen = np.flatnonzero(rng.random(participants) < SAMPLED)
        W = W + rate * (summed(W, chosen) + rng.normal(0, sigma, W.shape)) / (SAMPLED * participants)
    return W


def updates(X: Matrix, Y: Matrix, W: Matrix) -> Matrix:
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
    clipped: Matrix = steps / np.maximum(1.0, lengths / CLIP)
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
