"""The noise of the two aggregators: exact in mean and scale, by tests with a stated false-alarm rate."""

from __future__ import annotations

import numpy as np
import pytest

from proxyset.aggregation.noise import noised
from proxyset.aggregation.party import total
from proxyset.errors import InvalidInput
from tests.aggregation.tasks import make_task

SIGMAS = 5.0  # a false alarm in 1.7 million runs, for each bound


def test_each_aggregator_adds_sigma_and_the_sum_has_the_root_of_two() -> None:
    task = make_task(R=4_000, most=4_095, epsilon=1.0)
    zero, sigma, n = task.vdaf.agg_init(), task.privacy.sigma, 4_000
    one = np.array(total(task, noised(task, zero), task.vdaf.encode_agg_share(zero), 2), float)
    both = np.array(total(task, noised(task, zero), noised(task, zero), 2), float)
    for values, scale in ((one, sigma), (both, np.sqrt(2) * sigma)):
        assert abs(values.mean()) < SIGMAS * scale / np.sqrt(n)
        # Var of the sample variance of a Gaussian: 2σ⁴/n
        assert abs(values.var() / scale**2 - 1) < SIGMAS * np.sqrt(2 / n)


def test_no_two_draws_are_alike() -> None:
    task = make_task(R=50)
    zero = task.vdaf.agg_init()
    assert noised(task, zero) != noised(task, zero)


def test_a_task_that_claims_too_little_draws_nothing() -> None:
    task = make_task()
    lie = task.model_copy(update={"privacy": task.privacy.model_copy(update={"rho": task.privacy.rho / 2})})
    with pytest.raises(InvalidInput, match="costs ρ"):
        noised(lie, task.vdaf.agg_init())
