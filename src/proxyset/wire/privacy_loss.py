"""Three formulas by which anybody can check a privacy statement: what noise of scale σ gives for a move of one or two counts and
for any move of a length, and what ρ of zCDP gives.

The client calibrates its noise with them (`client.calibration`); whoever receives an answer checks its statement with them
(`release.check_statement`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ROUNDED_BY = 2.0  # t of `gaussian_delta`
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


def gaussian_delta(epsilon: float, sigma: float, sensitivity: float) -> float:
    """A δ for ε that holds for every whole-number move of counts with ‖u‖₂ ≤ `sensitivity`, whichever way it points.

    The discrete Gaussian on the integers is, but for a factor, what a continuous one becomes when each of its values is rounded
    at random: let Y ~ Normal(μ, s²) and, given Y, Z on the integers with weights exp(−(z − Y)² / 2t²), where s² + t² = σ². Then

        P(Z = z) = ∫ φ_s(y − μ) · exp(−(z − y)² / 2t²) / Θ(y) dy,        Θ(y) = Σ_z exp(−(z − y)² / 2t²)

    By Poisson's summation Θ(y) = √(2π)·t·(1 + h(y)) with |h| ≤ η = 2 Σ_{k ≥ 1} exp(−2π²t²k²), and the product of the two normal
    densities is φ_σ(z − μ) times one in y. So each P(Z = z) is within 1 ± 2η (and terms of η²) of the discrete Gaussian of scale
    σ about a whole μ. For t = 2, η < 3·10⁻³⁴: over a million counts the factor is 1 ± 10⁻²⁷, far below the margin that
    `client.calibration` keeps. What remains is post-processing of the continuous Gaussian of scale s = √(σ² − 4), whose δ Balle
    and Wang (2018, theorem 8) give: Φ(Δ/2s − εs/Δ) − e^ε Φ(−Δ/2s − εs/Δ). It grows with Δ.

    Sensitivity:
        `sensitivity`, in ℓ2.
    Unit:
        The one whose presence moves the counts so.
    Guarantee:
        An upper bound on the hockey-stick divergence, in both directions; 1 where σ ≤ 2.
    Assumes:
        ε ≥ 0, σ > 0, sensitivity > 0. The counts before noise are whole numbers.
    """
    square = sigma**2 - ROUNDED_BY**2
    if square <= 0:
        return 1.0
    ratio = math.sqrt(square) / sensitivity
    near, far = (math.erfc((epsilon * ratio + sign / (2 * ratio)) / math.sqrt(2)) / 2 for sign in (-1, 1))
    # e^ε times the second is at most the first; where that has no digits, to leave it out is on the safe side
    return near - (math.exp(epsilon + math.log(far)) if far > 1e-300 else 0.0)


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
