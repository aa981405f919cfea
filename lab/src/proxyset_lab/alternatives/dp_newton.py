"""One private Newton step on the client, from a model of the whole labelled pool: a rival that needs one message and no rounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proxyset_lab.alternatives.dp_classifier import analytic_sigma
from proxyset_lab.alternatives.linear import Bounded
from proxyset_lab.alternatives.rehearsed import rehearsed
from proxyset_lab.outcome import Costs, Outcome
from proxyset_lab.task import Task

CLIP = 1.0
RIDGES = (1.0, 10.0, 100.0, 1000.0)
Matrix = NDArray[np.float64]


def dp_newton(task: Task, budget: int, epsilon: float) -> Outcome:
    """W − (H + λ)⁻¹ (G + noise): G the client's gradient at W, H the curvature there of the public pool, scaled to the client.

    Only the gradient is private, so all of ε is spent on it. H is block-diagonal, a block a class. λ is one of RIDGES, chosen in
    rehearsals.

    Sensitivity:
        Each record's gradient is clipped to norm CLIP, so a record moves G by at most CLIP.
    Unit:
        One record, with its label.
    Guarantee:
        (ε, δ)-DP of the noisy G by the analytic Gaussian mechanism, add/remove; the step is post-processing. The noise is
        floating point: good for a benchmark, not for real data.
    Assumes:
        The number of records is public (it scales H).
    """

    def scores(of: Task, ridges: Sequence[float]) -> list[float]:
        bounded, client = Bounded.of(of), of.split.client
        W = bounded.start(of, len(of.pool))
        G = gradient(bounded.X[client], np.eye(W.shape[1])[bounded.targets[client]], W)
        G = G + np.random.default_rng().normal(0, CLIP * analytic_sigma(epsilon, of.delta), G.shape)
        H = curvature(bounded.X[of.pool], W) * (len(client) / len(of.pool))
        steps = (np.linalg.solve(H + ridge * np.eye(len(W)), G.T[:, :, None])[:, :, 0].T for ridge in ridges)
        return [bounded.measure(of, W - step) for step in steps]

    (score,) = scores(task, [rehearsed(task, RIDGES, scores)])
    parameters = Bounded.of(task).parameters
    costs = Costs(epsilon, 4 * parameters, 8 * parameters, 2 * parameters * len(task.split.client), 1)
    return Outcome(score, len(task.pool), None, costs)


def gradient(X: Matrix, Y: Matrix, W: Matrix) -> Matrix:
    """(D + 1, K) sum over records of their clipped gradients x ⊗ (softmax − y) of the cross-entropy at W."""
    misses = _softmax(X @ W) - Y
    lengths = np.linalg.norm(X, axis=1) * np.linalg.norm(misses, axis=1)
    total: Matrix = X.T @ (misses / np.maximum(1.0, lengths / CLIP)[:, None])
    return total


def curvature(X: Matrix, W: Matrix) -> Matrix:
    """(K, D + 1, D + 1) of the summed cross-entropy at W, without the blocks between classes."""
    P = _softmax(X @ W)
    return np.stack([(X * (p * (1 - p))[:, None]).T @ X for p in P.T])


def _softmax(scores: Matrix) -> Matrix:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Matrix = powers / powers.sum(axis=1, keepdims=True)
    return shares
