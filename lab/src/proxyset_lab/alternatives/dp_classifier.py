"""A private classifier "the client's, or public?" whose score weighs the pool, after selective pre-training (Yu et al. 2023).

Made private by output perturbation (Chaudhuri, Monteleoni and Sarwate, JMLR 2011) with Gaussian noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select import Candidates, Coverage
from proxyset.cloud.select.density_ratio import DensityRatio
from proxyset.cloud.select.draw import Weighing
from proxyset.demo.splits import Rows
from proxyset_lab.alternatives.linear import Bounded
from proxyset_lab.alternatives.rehearsed import rehearsed
from proxyset_lab.outcome import Costs, Outcome, classify
from proxyset_lab.task import Task

PUBLIC, PUBLIC_WEIGHT = 2000, 0.25  # pool items that the client compares with, and what each weighs
STRENGTHS = (5.0, 20.0, 80.0)  # Λ
_TOLERANCE = 1e-6
_STEPS = 2000


def dp_classifier(task: Task, budget: int, epsilon: float) -> Outcome:
    """`budget` pool items that stand for the client's: its scores in the place of our log density ratio, and our facility location.

    The score of a logistic classifier is a log density ratio but for a constant, so what follows is what our own rule does.
    Λ is one of STRENGTHS, chosen in rehearsals.

    w minimises Σ_private log(1 + e^(−w·x)) + α Σ_public log(1 + e^(w·x)) + Λ‖w‖²/2 with ‖x‖ ≤ 1.

    Sensitivity:
        A record adds one term of slope ≤ 1 to a Λ-strongly convex sum, so it moves the minimiser by at most 1/Λ; the solver
        stops at a gradient of norm ≤ t, which adds 2t/Λ.
    Unit:
        One record.
    Guarantee:
        (ε, δ)-DP of the noisy w by the analytic Gaussian mechanism (Balle and Wang 2018), add/remove. Floating-point noise:
        good for a benchmark, not for real data.
    Assumes:
        Λ and α do not depend on private data.
    """
    chosen = rehearsed(
        task, STRENGTHS, lambda of, strengths: [of.score(_picks(of, budget, epsilon, by)) for by in strengths]
    )
    rows, dim = _picks(task, budget, epsilon, chosen), Bounded.of(task).X.shape[1] - 1
    public = min(PUBLIC, len(task.pool))
    arithmetic = 2 * dim * len(task.split.client) * 100  # an orientation: a hundred passes of a good solver
    return classify(task, rows, Costs(epsilon, 2 * public * dim, 8 * dim, arithmetic, 1))


def _picks(task: Task, budget: int, epsilon: float, strength: float) -> Rows:
    """The rows that one noisy classifier chooses."""
    X = Bounded.of(task).X[:, :-1]  # without the constant: ‖x‖ ≤ 1, and a ranking needs no offset
    w, gradient = _minimise(X[task.split.client], X[task.rng(6).permutation(task.pool)[:PUBLIC]], strength)
    sigma = analytic_sigma(epsilon, task.delta) * (1 + 2 * gradient) / strength
    w = w + np.random.default_rng().normal(0, sigma, len(w))
    candidates = task.candidates(None)
    flat = Coverage(np.zeros(len(candidates.sizes)), 0.0)
    ranked = _Scored(scores=X[task.pool] @ w).rank(
        candidates, flat, min(budget, len(task.pool)), task.rng(6, 1)
    )
    return task.pool[ranked.rows]


@dataclass(frozen=True)
class _Scored(DensityRatio):
    """The rule with given log ratios, (n,) in the pool's order."""

    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def log_ratio(self, candidates: Candidates, coverage: Coverage) -> Weighing:
        return lambda block: self.scores[block.start : block.start + len(block)]


def _minimise(
    private: NDArray[np.float64], public: NDArray[np.float64], strength: float
) -> tuple[NDArray[np.float64], float]:
    """Newton's method with a safeguard: the minimiser and the norm of the gradient there."""
    X = np.concatenate([private, -public])
    weight = np.concatenate([np.ones(len(private)), np.full(len(public), PUBLIC_WEIGHT)])
    w: NDArray[np.float64] = np.zeros(X.shape[1])

    def value(w: NDArray[np.float64]) -> float:
        return float(weight @ np.logaddexp(0, -(X @ w))) + strength * float(w @ w) / 2

    gradient = np.full_like(w, np.inf)
    for _ in range(_STEPS):
        miss = 1 / (1 + np.exp(X @ w))
        gradient = strength * w - X.T @ (weight * miss)
        if np.linalg.norm(gradient) <= _TOLERANCE:
            break
        curvature = (X * (weight * miss * (1 - miss))[:, None]).T @ X + strength * np.eye(len(w))
        step, length = np.linalg.solve(curvature, gradient), 1.0
        while value(w - length * step) > value(w) and length > 1e-9:
            length /= 2
        w = w - length * step
    return w, float(np.linalg.norm(gradient))


def analytic_sigma(epsilon: float, delta: float) -> float:
    """The least σ of Gaussian noise at sensitivity 1 (Balle and Wang, ICML 2018).

    Sensitivity:
        1, in ℓ2.
    Unit:
        That of the sensitivity.
    Guarantee:
        Φ(1/2σ − εσ) − e^ε Φ(−1/2σ − εσ) ≤ δ, which is exact for continuous noise.
    Assumes:
        Real numbers, not floats.
    """

    def phi(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    def delta_at(sigma: float) -> float:
        shift, half = epsilon * sigma, 1 / (2 * sigma)
        return phi(half - shift) - math.exp(epsilon) * phi(-half - shift)

    low, high = 1e-3, 1e4
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if delta_at(middle) <= delta else (middle, high)
    return high
