from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.cloud.select.draw import draw, draw_evenly, draw_of_clusters
from proxyset.cloud.select.strategy import Candidates


@dataclass(frozen=True)
class OfZ:
    """The log weight of an item is its only component."""

    def __call__(self, block):
        return block.Z[:, 0].astype(float)


def pool(logs, *splits):
    Z = np.asarray(logs, np.float32)[:, None]
    return Candidates(Z, np.zeros(len(Z), np.int32), Z[:1], splits=splits)


def test_the_first_draw_has_its_probability():
    """Chi-square with 3 degrees of freedom against its 1e-4 point, 21.1; seeded."""
    rng, weights = np.random.default_rng(0), np.array([1.0, 2.0, 3.0, 4.0])
    draws = [
        draw(pool(np.log(weights)), OfZ(), 2, np.random.default_rng(rng.integers(1 << 60))).rows
        for _ in range(1000)
    ]
    assert all(len(set(rows)) == 2 for rows in draws)
    expected = 1000 * weights / 10
    observed = np.bincount([rows[0] for rows in draws], minlength=4)
    assert (np.square(observed - expected) / expected).sum() < 21.1


def test_drawing_all_draws_all():
    assert sorted(draw(pool([0.0, -2000.0, 5.0]), OfZ(), 3, np.random.default_rng(0)).rows) == [0, 1, 2]


@pytest.mark.parametrize("block", [1 << 14, 7])
@pytest.mark.parametrize("splits", [(), (1, 2), (7, 7, 500), range(1, 1000)])
def test_parts_and_blocks_do_not_change_the_draw(splits, block, monkeypatch):
    monkeypatch.setattr("proxyset.cloud.select.parts.BLOCK", block)
    logs = np.random.default_rng(0).normal(size=1000).astype(np.float32).astype(float)
    keys = logs + np.random.default_rng(1).gumbel(size=1000)
    drawn = draw(pool(logs, *splits), OfZ(), 50, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.rows, np.argsort(-keys, kind="stable")[:50])
    np.testing.assert_array_equal(drawn.log_weights, logs[drawn.rows])
    np.testing.assert_array_equal(drawn.Z[:, 0], logs[drawn.rows].astype(np.float32))


def test_of_some_rows_each_takes_its_own_number():
    logs = np.random.default_rng(0).normal(size=1000).astype(np.float32).astype(float)
    rows = np.flatnonzero(np.random.default_rng(2).random(1000) < 0.3)
    keys = logs[rows] + np.random.default_rng(1).gumbel(size=len(rows))
    drawn = draw(pool(logs, 10, 400).part(rows), OfZ(), 50, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.rows, np.argsort(-keys, kind="stable")[:50])
    np.testing.assert_array_equal(drawn.log_weights, logs[rows][drawn.rows])


@given(st.integers(1, 300), st.data())
def test_an_even_draw_of_fewer_is_the_beginning_of_a_larger_one(n, data):
    count = data.draw(st.integers(1, n))
    whole = draw_evenly(n, n, np.random.default_rng(3))
    assert sorted(whole) == list(range(n))
    np.testing.assert_array_equal(draw_evenly(n, count, np.random.default_rng(3)), whole[:count])


def test_of_clusters_a_draw_takes_each_ones_share_whatever_the_parts():
    labels = np.random.default_rng(0).integers(5, size=400).astype(np.int32)
    shares = np.array([0, 3, 1000, 20, 1])
    shares = np.minimum(shares, np.bincount(labels))

    def drawn(splits, seed):
        pool = Candidates(np.zeros((400, 2), np.float32), labels, np.zeros((5, 2), np.float32), splits=splits)
        return draw_of_clusters(pool, shares, np.random.default_rng(seed))

    rows = drawn((), 1)
    np.testing.assert_array_equal(rows, drawn((1, 150, 399), 1))
    np.testing.assert_array_equal(np.bincount(labels[rows], minlength=5), shares)
    assert (np.diff(rows) > 0).all()
    often = np.bincount(np.concatenate([drawn((), seed) for seed in range(500)]), minlength=400)
    three = often[
        labels == 3
    ]  # each row of the cluster 500 · 20 / its size times; 5 σ, once in a million rows
    mean = 500 * 20 / len(three)
    assert np.abs(three - mean).max() < 5 * np.sqrt(mean)
