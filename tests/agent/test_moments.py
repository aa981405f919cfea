"""Moments that public things decide."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.agent.moments import due, rounds, wait_until

SECONDS = st.floats(0, 1e6)


@given(st.floats(1e9, 2e9), st.floats(0.1, 1e5), SECONDS)
def test_an_answer_goes_at_a_whole_multiple_of_the_hold(asked: float, hold: float, took: float) -> None:
    now = asked + took
    moment = due(asked, hold, now)
    holds = (moment - asked) / hold
    assert moment >= now - 1e-3 and holds >= 1 - 1e-3
    assert abs(holds - round(holds)) < 1e-3 * max(1, holds)
    assert moment - now <= hold * (1 + 1e-3) + 1e-3


@given(st.floats(1e9, 2e9), st.floats(1, 1e5), st.floats(0, 0.99), st.floats(0, 0.99))
def test_within_the_hold_the_work_decides_nothing(
    asked: float, hold: float, one: float, other: float
) -> None:
    assert due(asked, hold, asked + one * hold) == due(asked, hold, asked + other * hold)


def test_a_clock_that_was_set_back() -> None:
    assert due(asked=10_000, hold=60, now=100) == 160


def test_rounds_are_fixed_by_start_and_period() -> None:
    moments = rounds(1000.0, 10.0)
    found = [next(moments) for _ in range(200)]
    assert found[0] == 1000 and all(abs(moment - 1000 - 10 * k) <= 2 for k, moment in enumerate(found))
    assert len({round(moment - 10 * k, 3) for k, moment in enumerate(found)}) > 100


def test_waiting_ends_early_only_for_a_stop() -> None:
    begun = time.time()
    assert wait_until(begun + 0.2) and time.time() >= begun + 0.2
    stop = threading.Event()
    stop.set()
    assert not wait_until(time.time() + 60, stop)
    assert wait_until(time.time() - 1, stop)


@pytest.mark.parametrize("hold", [0.1, 1.0, 900.0])
def test_the_first_multiple_is_never_zero(hold: float) -> None:
    assert due(5.0, hold, 5.0) == 5.0 + hold
