"""Two formulas by which anybody can check a privacy statement: what noise of scale σ gives, and what ρ of zCDP gives.

The client calibrates its noise with them (`client.calibration`); whoever receives an answer checks its statement with them
(`release.check_statement`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

EXACT_SIGMA = 50_000.0  # beyond, the exact sums grow slow and ρ alone is used: up to 13 % more noise


def discrete_gaussian_delta(epsilon: float, sigma: float, step: int, cells: int) -> float:
    """The smallest δ for ε when `cells` (1 or 2) counts move by `step`: the hockey-stick divergence, exactly.

    With S the noise along the move, the loss is step · (cells · step + 2 S) / (2σ²). For one cell S has the
    discrete Gaussian's own distribution. For two, S = X − Y, and completing the square gives P(S = s) ∝
    exp(−s² / 4σ²) · T(s), where T(s) = Σ_x exp(−(x − s/2)² / σ²) depends on the parity of s alone.

    Sensitivity:
        √cells · step.
    Unit:
        The one whose presence moves the counts so.
    Guarantee:
        Exact up to float64 rounding; by symmetry it holds in both directions.
    Assumes:
        ε ≥ 0, σ > 0, step ≥ 1.
    """
    width = sigma * math.sqrt(cells)
    first = math.floor(epsilon * sigma**2 / step - cells * step / 2) + 1
    s: NDArray[np.float64] = np.arange(first, max(first, 0) + math.ceil(14 * width) + 30, dtype=np.float64)
    loss = step * (cells * step + 2 * s) / (2 * sigma**2)
    mass = np.exp(-(s**2) / (2 * width**2)) / _theta(sigma, 0) ** cells
    if cells == 2:
        half = sigma / math.sqrt(2)
        mass *= np.where(s % 2 == 0, _theta(half, 0), _theta(half, 0.5))
    return float((mass * -np.expm1(np.minimum(epsilon - loss, 0))).sum())


def zcdp_epsilon(rho: float, delta: float) -> float:
    """The ε of ρ-zCDP at δ: the conversion of Canonne, Kamath and Steinke (2020), corollary 13.

    Sensitivity:
        None: it converts a guarantee.
    Unit:
        That of ρ.
    Guarantee:
        ρ-zCDP implies (returned ε, δ)-DP: each order α on the grid gives a valid bound, and the least is
        returned.
    Assumes:
        ρ ≥ 0, δ in (0, 1).
    """
    if rho <= 0:
        return 0.0
    centre = math.sqrt(-math.log(delta) / rho)
    orders = 1 + np.geomspace(min(centre, 1) * 1e-2, max(centre, 1) * 1e2, 4_000)
    bounds = orders * rho + np.log1p(-1 / orders) + (-math.log(delta) - np.log(orders)) / (orders - 1)
    return max(0.0, float(bounds.min()))


def _theta(sigma: float, shift: float) -> float:
    """Σ over the integers x of exp(−(x − shift)² / 2σ²)."""
    reach = math.ceil(14 * sigma) + 30
    return float(np.exp(-((np.arange(-reach, reach + 1) - shift) ** 2) / (2 * sigma**2)).sum())
