from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_mechanism as plm
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client.calibration import (
    GRID,
    calibrate,
    calibrate_length,
    composed_epsilon,
    privacy_statement,
    zcdp_rho,
)
from proxyset.errors import InvalidInput
from proxyset.wire.privacy_loss import EXACT_SIGMA, discrete_gaussian_delta, gaussian_delta, zcdp_epsilon

epsilons = st.floats(0.001, 100).map(lambda x: round(x, 4))
deltas = st.sampled_from([1e-10, 1e-6, 1e-5, 1e-3, 0.1, 0.4])


@pytest.mark.parametrize(
    ("epsilon", "sigma"),
    [(0.079, 38.3), (0.101, 30.6), (0.138, 22.9), (0.224, 14.7), (0.581, 6.1), (1.227, 3.1)],
)
def test_the_table_of_sigmas(epsilon: float, sigma: float) -> None:
    assert privacy_statement(epsilon).sigma == pytest.approx(sigma, rel=0.01)


def test_the_papers_setting() -> None:
    statement = privacy_statement(0.58, 1e-5)
    assert statement.sigma == pytest.approx(6.1418, abs=2e-4)
    assert statement.rho == pytest.approx(1 / (2 * statement.sigma**2), rel=1e-8)


@given(epsilon=epsilons, delta=deltas, m=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_one_cell_equals_dp_accounting(epsilon: float, delta: float, m: int) -> None:
    sigma = calibrate(epsilon, delta, m, 1)
    theirs = plm.DiscreteGaussianPrivacyLoss(sigma, m, truncation_bound=math.ceil(11.6 * sigma) + m)
    ours = discrete_gaussian_delta(epsilon, sigma, m, 1)
    assert ours == pytest.approx(theirs.get_delta_for_epsilon(epsilon), rel=1e-6, abs=1e-18)
    assert ours <= delta


@given(
    epsilon=epsilons,
    delta=deltas,
    m=st.integers(1, 50),
    adjacency=st.sampled_from(["add-remove", "replace-one"]),
)
@settings(max_examples=60, deadline=None)
def test_a_statement_holds_and_wastes_little(epsilon: float, delta: float, m: int, adjacency: str) -> None:
    statement = privacy_statement(epsilon, delta, "person", adjacency, m, whole_records=True)  # type: ignore[arg-type]
    cells = 2 if adjacency == "replace-one" else 1
    assert discrete_gaussian_delta(epsilon, statement.sigma, m, cells) <= delta
    assert statement.l2_sensitivity == pytest.approx(math.sqrt(cells) * m)
    assert statement.rho >= statement.l2_sensitivity**2 / (2 * statement.sigma**2)
    # below, the lattice of losses (step / σ²) shows; above, ρ alone decides
    if statement.sigma > max(1, 2 * math.sqrt(m)) and statement.sigma <= EXACT_SIGMA:
        assert discrete_gaussian_delta(epsilon, statement.sigma * 0.99, m, cells) > delta * 0.9


@given(
    epsilon=epsilons,
    delta=deltas,
    m=st.integers(1, 10**6),
    adjacency=st.sampled_from(["add-remove", "replace-one"]),
)
@settings(max_examples=60, deadline=None)
def test_a_statement_on_a_grid_holds_and_wastes_little(
    epsilon: float, delta: float, m: int, adjacency: str
) -> None:
    statement = privacy_statement(epsilon, delta, "person", adjacency, m)  # type: ignore[arg-type]
    cells = 2 if adjacency == "replace-one" else 1
    assert statement.grid == GRID
    assert statement.l2_sensitivity == pytest.approx(GRID * math.sqrt(cells * m))
    assert statement.rho >= cells * GRID**2 * m / (2 * statement.sigma**2)
    assert gaussian_delta(epsilon, statement.sigma, statement.l2_sensitivity) <= delta * (1 - 1e-6)
    assert gaussian_delta(epsilon, statement.sigma * 0.999, statement.l2_sensitivity) > delta * (1 - 1e-6)


def test_a_grid_costs_a_record_no_more_noise() -> None:
    """One record of one person: the same σ, in records, as for a record; never scaled up from it."""
    for epsilon in (0.1, 0.58, 2.0):
        person = privacy_statement(epsilon, 1e-5, "person")
        assert person.noise == pytest.approx(privacy_statement(epsilon).sigma, rel=0.01)
        for m in (2, 10, 32):
            assert privacy_statement(epsilon, 1e-5, "person", max_records=m).noise == pytest.approx(
                math.sqrt(m) * person.noise, rel=1e-5
            )


@given(epsilon=st.floats(0.01, 6), delta=deltas, step=st.integers(3, 400))
@settings(max_examples=60, deadline=None)
def test_the_bound_for_any_direction_holds_along_an_axis_and_is_tight(
    epsilon: float, delta: float, step: int
) -> None:
    sigma = calibrate_length(epsilon, delta, step)
    exact = discrete_gaussian_delta(epsilon, sigma, step, 1)
    assert exact <= delta
    if sigma > 100:
        assert exact >= delta * (1 - 3e-6 - 60 / sigma**2 * max(1, epsilon) * abs(math.log(delta)))


@pytest.mark.parametrize("u", [(3, 4), (5,), (1, 2, 2, 4), (3, 3, 2, 1, 1, 1), (4, -3), (1,) * 25])
@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_no_direction_is_worse_than_the_bound(u: tuple[int, ...], epsilon: float) -> None:
    """Moves of length 5 in several directions, at a σ where the lattice shows: the slow, exact divergence stays below."""
    length = math.sqrt(sum(step * step for step in u))
    sigma = calibrate_length(epsilon, 1e-5, length)
    assert delta_of_move(u, sigma, epsilon) <= 1e-5 * (1 + 1e-6)


def test_nothing_is_promised_for_noise_that_the_bound_cannot_see() -> None:
    assert gaussian_delta(1.0, 2.0, 1e-9) == 1
    assert gaussian_delta(1e4, 3.0, 2.0) == 0  # and no overflow on the way


def analytic_gaussian_delta(epsilon: float, sigma: float) -> float:
    """Balle and Wang (2018), theorem 8, sensitivity 1."""

    def cdf(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return cdf(0.5 / sigma - epsilon * sigma) - math.exp(epsilon) * cdf(-0.5 / sigma - epsilon * sigma)


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 0.58])
@pytest.mark.parametrize("cells", [1, 2])
def test_large_sigma_is_the_analytic_gaussian(epsilon: float, cells: int) -> None:
    sigma = calibrate(epsilon, 1e-5, 1, cells)
    assert analytic_gaussian_delta(epsilon, sigma / math.sqrt(cells)) == pytest.approx(1e-5, rel=0.02)


def partitions(m: int, largest: int) -> list[tuple[int, ...]]:
    if m == 0:
        return [()]
    return [(k, *rest) for k in range(min(m, largest), 0, -1) for rest in partitions(m - k, k)]


def delta_of_move(u: tuple[int, ...], sigma: float, epsilon: float) -> float:
    """Slow and obvious: the hockey-stick divergence for any integer move, by summing the law of u · X."""
    reach = math.ceil(9 * sigma) + 20
    x = np.arange(-reach, reach + 1)
    p = np.exp(-(x**2) / (2 * sigma**2))
    p /= p.sum()
    law = {0: 1.0}
    for step in u:
        spread: dict[int, float] = {}
        for total, mass in law.items():
            for value, q in zip(x, p, strict=True):
                if mass * q > 1e-25:
                    key = total + step * int(value)
                    spread[key] = spread.get(key, 0.0) + mass * float(q)
        law = spread
    square = sum(step * step for step in u)
    losses = ((mass, (square + 2 * total) / (2 * sigma**2)) for total, mass in law.items())
    return sum(mass * -math.expm1(epsilon - loss) for mass, loss in losses if loss > epsilon)


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize(("epsilon", "delta"), list(product([1.0, 3.0, 8.0, 20.0], [1e-5, 0.1])))
def test_one_cell_is_the_worst_split_of_a_person(m: int, epsilon: float, delta: float) -> None:
    sigma = calibrate(epsilon, delta, m, 1)
    for u in partitions(m, m):
        assert delta_of_move(u, sigma, epsilon) <= delta * (1 + 1e-6), u


@pytest.mark.parametrize("epsilon", [3.0, 8.0])
def test_two_full_cells_are_the_worst_replacement_of_a_person(epsilon: float) -> None:
    sigma = calibrate(epsilon, 1e-3, 2, 2)
    for u in [(2, -2), (2, -1, -1), (2, -1), (1, 1, -2), (1, -1), (2,), (1, 1)]:
        assert delta_of_move(u, sigma, epsilon) <= 1e-3 * (1 + 1e-6), u


@given(epsilon=epsilons, delta=deltas)
@settings(max_examples=40, deadline=None)
def test_a_cap_converts_to_the_safe_side(epsilon: float, delta: float) -> None:
    rho = zcdp_rho(epsilon, delta)
    assert zcdp_epsilon(rho, delta) <= epsilon
    assert zcdp_epsilon(rho * 1.01, delta) > epsilon


def test_composed_epsilon_is_tighter_than_rho_and_no_less_than_one() -> None:
    for one in (privacy_statement(0.58), privacy_statement(0.58, unit="person", max_records=10)):
        together = composed_epsilon([one] * 8, 1e-5)
        assert 0.579 < composed_epsilon([one], 1e-5) < 0.582 < together < zcdp_epsilon(8 * one.rho, 1e-5)
    assert composed_epsilon([], 1e-5) == 0


def test_a_large_person_falls_back_to_rho() -> None:
    statement = privacy_statement(0.58, 1e-5, "person", "replace-one", 100_000, whole_records=True)
    assert zcdp_epsilon(statement.rho, 1e-5) <= 0.58 * (1 + 1e-6)


@pytest.mark.parametrize("epsilon", [0, -1, 9e-4, 101, math.nan, math.inf])
def test_epsilon_out_of_range(epsilon: float) -> None:
    with pytest.raises(InvalidInput, match="epsilon must be between"):
        privacy_statement(epsilon)


@pytest.mark.parametrize("delta", [0, -1e-5, 0.5, 1, math.nan])
def test_delta_out_of_range(delta: float) -> None:
    with pytest.raises(InvalidInput, match="delta must be"):
        privacy_statement(1.0, delta)


@pytest.mark.parametrize(
    ("unit", "adjacency", "m"),
    [("record", "add-remove", 2), ("person", "add-remove", 0), ("person", "add-remove", 10**7), ("person", "x", 1),
     ("house", "add-remove", 1), ("person", "add-remove", 1.5), ("person", "add-remove", True)],
)  # fmt: skip
def test_impossible_units(unit: str, adjacency: str, m: int) -> None:
    with pytest.raises(InvalidInput):
        privacy_statement(1.0, 1e-5, unit, adjacency, m)  # type: ignore[arg-type]
