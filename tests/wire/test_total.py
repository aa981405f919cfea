"""Votes that were randomised at home: what is sent keeps the stated ε; the total is unbiased, and its noise the stated one."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from pydantic import ValidationError

from proxyset.client.calibration import privacy_statement
from proxyset.client.shards import _randomised
from proxyset.wire.total import Total
from tests.aggregation.tasks import make_task

SIGMAS = 5.0  # a false alarm in 1.7 million runs, for each bound


@pytest.mark.parametrize("floor", [1e-9, 0.1, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("R", [1, 5, 1000])
def test_no_answer_is_more_likely_than_the_floor_allows_and_hardly_less(floor: float, R: int) -> None:
    chance = make_task(R=R, floor=floor).truthful
    ratio = 1 + (R + 1) * chance / (1 - chance)  # exact: rational numbers
    assert ratio <= exp(floor) * (1 + 1e-15)
    assert ratio - 1 == pytest.approx(exp(floor) - 1, rel=1e-5)


def test_what_is_sent_fits_the_proof_and_has_the_stated_chances() -> None:
    task = make_task(R=3, most=4, floor=1.0)
    votes, n = np.array([2, 0, 1]), 20_000
    sent = np.array([_randomised(votes, task) for _ in range(n)])
    assert sent.min() >= 0 and sent.sum(axis=1).max() <= 4
    truth = float(task.truthful)
    expected = votes * truth + 4 * (1 - truth) / 4
    assert (np.abs(sent.mean(axis=0) - expected) < SIGMAS * sent.std(axis=0) / np.sqrt(n)).all()
    assert truth == pytest.approx((np.e - 1) / (np.e + 3))
    assert (_randomised(np.zeros(3, np.int64), make_task(R=3, most=4, floor=20.0)) == 0).all()


def test_the_estimate_is_unbiased_and_its_noise_is_what_it_says() -> None:
    task = make_task(R=20, most=1, floor=3.0)
    rng, n, runs = np.random.default_rng(0), 150, 60
    votes = np.eye(21, dtype=np.int64)[rng.integers(0, 21, n), :20]  # some cast none
    off = []
    for _ in range(runs):
        sums = sum(_randomised(each, task) for each in votes)
        found = Total.of(task, sums, n)
        off.append(found.counts - votes.sum(axis=0))
    values = np.array(off)
    without = np.sqrt(
        found.noise**2 - 2 * (found.scale * task.privacy.noise) ** 2
    )  # no aggregator added any here
    assert abs(values.mean()) < SIGMAS * without / np.sqrt(values.size)
    assert values.std() == pytest.approx(without, rel=0.15)


def test_without_a_floor_the_sums_are_the_counts() -> None:
    task, sums = make_task(R=4), np.array([5, -3, 0, 9])
    found = Total.of(task, sums, 3)
    assert (found.counts == sums).all() and found.noise == pytest.approx(np.sqrt(2) * task.privacy.noise)


def test_a_floor_is_for_clients_who_are_one_person() -> None:
    record = privacy_statement(1.0)
    for changes in ({"privacy": record, "most": 1023}, {"most": 9, "privacy": make_task(most=7).privacy}):
        with pytest.raises(ValidationError, match="one person"):
            make_task(floor=1.0, **changes)


def test_a_task_without_a_floor_is_what_it_was() -> None:
    bare, floored = make_task(most=1), make_task(most=1, floor=2.0)
    assert "floor" not in bare.model_dump(mode="json") and '"floor"' not in bare.model_dump_json()
    for task in (bare, floored):
        assert type(task).model_validate_json(task.model_dump_json()) == task
    assert floored.fingerprint != floored.model_copy(update={"floor": 3.0}).fingerprint
