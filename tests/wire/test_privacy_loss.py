from __future__ import annotations

import math

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import rdp_privacy_accountant as rdp
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.wire.privacy_loss import discrete_gaussian_delta, zcdp_epsilon

deltas = st.sampled_from([1e-10, 1e-6, 1e-5, 1e-3, 0.1, 0.4])


@pytest.mark.parametrize(("sigma", "m"), [(0.5, 1), (1.0, 1), (6.0, 1), (6.0, 3), (40.0, 5)])
@pytest.mark.parametrize("epsilon", [0.05, 0.5, 2.0])
def test_two_cells_equal_the_composed_pld(sigma: float, m: int, epsilon: float) -> None:
    one = pld.from_discrete_gaussian_mechanism(sigma, m, value_discretization_interval=1e-5)
    upper = one.self_compose(2).get_delta_for_epsilon(epsilon)  # pessimistic: an upper bound
    ours = discrete_gaussian_delta(epsilon, sigma, m, 2)
    assert ours <= upper * (1 + 1e-9)
    assert ours == pytest.approx(upper, rel=2e-3, abs=1e-12)


@given(rho=st.floats(1e-6, 20), delta=deltas)
@settings(max_examples=40, deadline=None)
def test_zcdp_conversion_against_opendp(rho: float, delta: float) -> None:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    scale = 1 / math.sqrt(2 * rho)
    noise = dp.m.make_gaussian(
        dp.atom_domain(T="i64"), dp.absolute_distance(T="f64"), scale=scale, MO="ZeroConcentratedDivergence"
    )
    theirs = dp.c.make_zCDP_to_approxDP(noise).map(1.0).epsilon(delta)
    assert zcdp_epsilon(rho, delta) == pytest.approx(theirs, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("rho", [0.001, 0.0133, 0.1, 1.0, 5.0])
def test_zcdp_conversion_against_rdp(rho: float) -> None:
    orders = 1 + np.geomspace(1e-2, 1e3, 5000)
    theirs, _ = rdp.compute_epsilon(orders, orders * rho, 1e-5)
    assert zcdp_epsilon(rho, 1e-5) == pytest.approx(theirs, rel=1e-3)
