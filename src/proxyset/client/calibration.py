"""How much noise: σ from (ε, δ), and the conversion between zCDP and (ε, δ).

The noise is one discrete Gaussian sample a count, so a neighbouring data set moves the R counts by an integer vector u and the
privacy loss depends on u alone. Which u are possible follows from unit, adjacency and how the votes are counted:

    what is counted                                 add-remove            replace-one
    a record                                        (1)                   (1, −1)
    a person on a grid of g, C² = max_records       ‖u‖₂ ≤ g·C            ‖u‖₂ ≤ √2·g·C
    a person in a two-party sum, m records          (m) at worst          (m, −m) at worst

A person on a grid (`vote.clipped`) brings a vector ≥ 0 of ℓ2 length g·C at most; of two such vectors ‖u − v‖² = ‖u‖² + ‖v‖² −
2 u·v ≤ 2 (g·C)². The product's relation is the owner's `adjacency`, add-remove unless told otherwise.

The ρ of zCDP is Δ₂² / (2σ²), exactly, for every integer vector of that length (Canonne, Kamath and Steinke 2020, theorem 4 and its
sum over coordinates); all enforcement rests on it. The (ε, δ) of one release is tighter. For a record the table holds every
possible u, and the sum of max(0, P(y) − e^ε Q(y)) over the loss of the discrete Gaussian itself is exact. For a person on a grid
every direction is possible, and `privacy_loss.gaussian_delta` bounds all of them; σ is calibrated for the grid's own sensitivity,
never scaled up from that of 1, whose rounding would then be scaled up too. For a person in a two-party sum whose m records
spread over several cells, ‖u‖₂ is smaller than m and ρ therefore too; that (ε, δ) is no larger either is checked numerically over
all splits of small m (the tests), not proven.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from proxyset.errors import InvalidInput
from proxyset.wire.privacy_loss import (
    EXACT_SIGMA,
    ROUNDED_BY,
    discrete_gaussian_delta,
    gaussian_delta,
    zcdp_epsilon,
)
from proxyset.wire.release import CELLS, PrivacyStatement, l2_sensitivity

Unit = Literal["record", "person"]
Adjacency = Literal["add-remove", "replace-one"]

EPSILON_RANGE = (1e-3, 100.0)
DELTA_LIMIT = 0.5
MAX_RECORDS_LIMIT = 1_000_000
GRID = 256  # what one record of a person counts: what is floored away is below 1/256 of a record a cluster
_STEP = 0.98
_ROUNDING = 1e-9  # covers every float64 rounding below
_MARGIN = 1e-6  # of δ: covers those of a difference of two normal tails, and `gaussian_delta`'s 10⁻²⁷


def privacy_statement(
    epsilon: float,
    delta: float = 1e-5,
    unit: Unit = "record",
    adjacency: Adjacency = "add-remove",
    max_records: int = 1,
    *,
    whole_records: bool = False,
) -> PrivacyStatement:
    """The least noise, and its cost, for one histogram of counts.

    Args:
        epsilon: in [0.001, 100].
        delta: in (0, 0.5).
        unit, adjacency: what is protected, and which data sets are neighbours.
        max_records: C² of a person; 1 for unit "record".
        whole_records: a person's records are counted one by one, at most `max_records` of them, without a grid: two-party sums.

    Sensitivity:
        Δ₂ as in the table above.
    Unit:
        `unit`.
    Guarantee:
        Discrete Gaussian noise of scale σ on every count is (ε, δ)-DP and ρ-zCDP.
    Assumes:
        The counts really are bounded: `vote.count_votes` under this very statement, or `shares` under a task's.

    Raises:
        InvalidInput: a value out of range, or max_records ≠ 1 for unit "record".
    """
    _check_range(epsilon, delta)
    if unit not in ("record", "person") or adjacency not in CELLS:
        raise InvalidInput(
            f"unit must be record or person, adjacency {' or '.join(CELLS)}; not {unit}, {adjacency}"
        )
    if isinstance(max_records, bool) or not isinstance(max_records, int):
        raise InvalidInput(f"max_records must be a whole number, not {max_records!r}")
    if not 1 <= max_records <= MAX_RECORDS_LIMIT:
        raise InvalidInput(f"max_records must be between 1 and {MAX_RECORDS_LIMIT}, not {max_records}")
    if unit == "record" and max_records != 1:
        raise InvalidInput(f'max_records is {max_records}, but unit "record" counts one: use unit "person"')
    cells, grid = CELLS[adjacency], 1 if unit == "record" or whole_records else GRID
    sensitivity = l2_sensitivity(max_records, grid, cells)
    whole = grid == 1
    sigma = (
        calibrate(epsilon, delta, max_records, cells)
        if whole
        else calibrate_length(epsilon, delta, sensitivity)
    )
    return PrivacyStatement(
        unit=unit,
        adjacency=adjacency,
        max_records=max_records,
        sigma=sigma,
        l2_sensitivity=sensitivity,
        rho=sensitivity**2 / (2 * sigma**2) * (1 + _ROUNDING),
        epsilon=float(epsilon),
        delta=float(delta),
        grid=grid,
    )


def calibrate_length(epsilon: float, delta: float, sensitivity: float) -> float:
    """The smallest σ, rounded up to four decimals, that is (ε, δ)-DP for every move of the counts by ℓ2 ≤ `sensitivity`.

    Sensitivity:
        `sensitivity`.
    Unit:
        The one whose presence moves the counts so.
    Guarantee:
        The returned σ itself was checked against (ε, δ): the search cannot fail on the unsafe side.
    Assumes:
        The counts before noise are whole numbers, in units of which the sensitivity is.
    """

    def enough(sigma: float) -> bool:
        return gaussian_delta(epsilon, sigma, sensitivity) <= delta * (1 - _MARGIN)

    low, high = ROUNDED_BY, ROUNDED_BY + sensitivity
    while not enough(high):
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return _round_up(high)


def calibrate(epsilon: float, delta: float, step: int, cells: int) -> float:
    """The smallest σ, rounded up to four decimals, that is (ε, δ)-DP when `cells` counts move by `step` each.

    Sensitivity:
        √cells · step.
    Unit:
        The one whose presence moves the counts so.
    Guarantee:
        The returned σ itself was checked against (ε, δ): the search cannot fail on the unsafe side.
    Assumes:
        cells is 1 or 2.
    """

    def enough(sigma: float) -> bool:
        return discrete_gaussian_delta(epsilon, sigma, step, cells) <= delta * (1 - _ROUNDING)

    by_rho = math.sqrt(cells) * step / math.sqrt(2 * zcdp_rho(epsilon, delta))
    if by_rho > EXACT_SIGMA:
        return _round_up(by_rho)
    high = by_rho  # enough by ρ; walk down to the first σ that is not
    while enough(high * _STEP):
        high *= _STEP
    low = high * _STEP
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    sigma = _round_up(high)
    while not enough(sigma):  # below σ ≈ 0.5 the lattice shows: more noise is not always more private
        sigma = _round_up(sigma * 1.001)
    return sigma


def moved_cells(rho: float, sigma: float, step: float) -> int:
    """How many counts one unit moves by `step` each, from what that costs: ρ = cells · step² / (2σ²).

    Args:
        step: `l2_sensitivity` of one cell.

    Sensitivity:
        √cells · step is the ℓ2 sensitivity that the ρ was computed for.
    Unit:
        The one of ρ.
    Guarantee:
        None: it reads a statement.
    Assumes:
        ρ was rounded up by less than half a cell's.
    """
    return round(2 * sigma**2 * rho / step**2)


@lru_cache(maxsize=256)  # asked of every ledger that is opened, mostly about the same cap
def zcdp_rho(epsilon: float, delta: float) -> float:
    """The largest ρ whose zCDP implies (ε, δ)-DP by `zcdp_epsilon`: what a cap of (ε, δ) allows in all.

    Sensitivity:
        None: it converts a guarantee.
    Unit:
        That of (ε, δ).
    Guarantee:
        zcdp_epsilon(returned ρ, δ) ≤ ε.
    Assumes:
        What is spent adds up in ρ, which also holds when later probes depend on earlier answers.

    Raises:
        InvalidInput: ε outside [0.001, 100] or δ outside (0, 0.5).
    """
    _check_range(epsilon, delta)
    low, high = 0.0, epsilon
    while zcdp_epsilon(high, delta) <= epsilon:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if zcdp_epsilon(middle, delta) <= epsilon else (low, middle)
    return low


def composed_epsilon(statements: Iterable[PrivacyStatement], delta: float) -> float:
    """The ε at δ of several releases together, by their privacy loss distributions. For reports.

    Sensitivity:
        As each release states it.
    Unit:
        As each release states it; meaningful when all state the same.
    Guarantee:
        The releases together are (returned ε, δ)-DP if no probe was chosen after seeing an earlier answer.
    Assumes:
        That independence. Enforcement must not: it adds up ρ.
    """
    from dp_accounting.pld import privacy_loss_distribution as pld

    statements = list(statements)
    bound = zcdp_epsilon(math.fsum(s.rho for s in statements), delta)
    whole = Counter(
        (s.sigma, s.max_records, moved_cells(s.rho, s.sigma, s.max_records))
        for s in statements
        if s.grid == 1
    )
    on_grids = Counter((s.sigma, s.l2_sensitivity) for s in statements if s.grid > 1)
    if not statements or max((sigma for sigma, _, _ in whole), default=0.0) > EXACT_SIGMA:
        return bound
    total = pld.identity()
    for (sigma, step, cells), count in whole.items():
        one = pld.from_discrete_gaussian_mechanism(
            sigma, step, truncation_bound=math.ceil(11.6 * sigma) + step
        )
        total = total.compose(one.self_compose(count * cells))
    for (sigma, length), count in on_grids.items():  # as `gaussian_delta` bounds them
        one = pld.from_gaussian_mechanism(math.sqrt(sigma**2 - ROUNDED_BY**2) / length)
        total = total.compose(one.self_compose(count))
    return min(bound, float(total.get_epsilon_for_delta(delta)))


def _round_up(sigma: float) -> float:
    return math.ceil(sigma * 1e4) / 1e4


def _check_range(epsilon: float, delta: float) -> None:
    low, high = EPSILON_RANGE
    if not low <= epsilon <= high:
        raise InvalidInput(f"epsilon must be between {low} and {high}, not {epsilon}")
    if not 0 < delta < DELTA_LIMIT:
        raise InvalidInput(f"delta must be above 0 and below {DELTA_LIMIT}, not {delta}")
