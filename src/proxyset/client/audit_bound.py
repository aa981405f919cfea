"""The statistics of an audit: a lower bound on ε from what an attacker saw with and without a canary."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def proven_epsilon(seen: NDArray[np.int64], inside: NDArray[np.bool_], delta: float, error: float) -> float:
    """The better of both directions; each gets half of the error, and each of its two bounds half of that.

    Args:
        seen: (n,) what the attacker saw of each trial; larger speaks for the canary.
        inside: (n,) whether it was in.
        delta, error: of the claim, and the probability that the bound may be wrong.

    Sensitivity:
        None: canaries are synthetic.
    Unit:
        What the canary is.
    Guarantee:
        With probability ≥ 1 − error, no (ε, δ)-DP mechanism with ε below the returned value was attacked.
    Assumes:
        Trials are independent given their coins.
    """
    upward = _one_direction(seen[inside], seen[~inside], delta, error / 4)
    downward = _one_direction(-seen[~inside], -seen[inside], delta, error / 4)
    return max(0.0, upward, downward)


def _one_direction(more: NDArray[np.int64], less: NDArray[np.int64], delta: float, error: float) -> float:
    """Lower bound on log((P(more ≥ t) − δ) / P(less ≥ t)); t from the first halves, the bound from the second."""
    first_more, first_less = more[: len(more) // 2], less[: len(less) // 2]
    thresholds = np.unique(np.concatenate([first_more, first_less]))
    thresholds = thresholds[:: max(1, len(thresholds) // 200)]
    best = max(thresholds, key=lambda t: _bound(first_more, first_less, t, delta, error))
    return _bound(more[len(more) // 2 :], less[len(less) // 2 :], best, delta, error)


def _bound(
    more: NDArray[np.int64], less: NDArray[np.int64], threshold: int, delta: float, error: float
) -> float:
    from scipy.stats import beta

    hits, misses = int((more >= threshold).sum()), int((less >= threshold).sum())
    low = float(beta.ppf(error, hits, len(more) - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - error, misses + 1, len(less) - misses)) if misses < len(less) else 1.0
    return math.log((low - delta) / high) if low > delta else -math.inf
