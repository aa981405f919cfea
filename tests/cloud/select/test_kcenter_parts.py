from dataclasses import dataclass, field

import numpy as np
import pytest

from proxyset.cloud.executor import LocalExecutor
from proxyset.cloud.select import kcenter_parts
from proxyset.cloud.select.kcenter import farthest_first
from proxyset.cloud.select.kcenter_parts import farthest_of_parts
from proxyset.cloud.select.strategy import Candidates
from tests.cloud.select.test_kcenter import slow_farthest_first


@dataclass(frozen=True, repr=False, eq=False)
class Elsewhere(Candidates):
    """Arrays that are looked at part by part only, on an engine."""

    engine: LocalExecutor = field(default_factory=LocalExecutor)
    in_arrays = False

    @property
    def executor(self):
        return self.engine


def pool_of(X, *splits, engine=None):
    some = {"engine": engine} if engine else {}
    return Elsewhere(
        X, np.zeros(len(X), np.int32), np.zeros((1, X.shape[1]), np.float32), splits=splits, **some
    )


def normal(n, d, seed=0):
    return np.random.default_rng([seed, n, d]).normal(size=(n, d)).astype(np.float32)


def grid(n, values, seed=0):
    return np.random.default_rng([seed, n, values]).integers(0, values, (n, 3)).astype(np.float32)


def by_norm(X):
    """All that is far lies in the last part."""
    return X[np.argsort(np.square(X).sum(axis=1))]


POOLS = {
    "normal": normal(3000, 6),
    "far from the origin": normal(3000, 6) + 50,
    "by norm": by_norm(normal(3000, 6)),
    "by norm, backwards": by_norm(normal(3000, 6))[::-1].copy(),
    "ties": grid(3000, 12),
    "duplicates": grid(3000, 3),
    "all alike": np.ones((300, 2), np.float32),
    "nearly alike": 1 + 1e-7 * grid(2000, 4),
    "wide": np.float32(1e4) * normal(2000, 2),
}


@pytest.mark.parametrize("held", [1, 100, 700])
@pytest.mark.parametrize("splits", [(1, 2, 1000), (99, 150, 151, 290)])
@pytest.mark.parametrize("pool", sorted(POOLS))
def test_picks_are_those_of_the_rule_in_memory(monkeypatch, pool, splits, held):
    X = POOLS[pool]
    splits = tuple(split for split in splits if split < len(X))
    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 4 * X.shape[1] * held)
    for count in (1, 2, 90):
        picks, gaps = farthest_of_parts(pool_of(X, *splits), count, 17)
        expected, distances = farthest_first(X, count, first=17)
        np.testing.assert_array_equal(picks, expected)
        np.testing.assert_array_equal(gaps, distances)


def test_one_item_far_out_makes_no_pick_another(monkeypatch):
    """What float32 leaves of its squared norm is more than the distances between the others."""
    X = normal(3000, 3)
    X[0] += 300
    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 4 * 3 * 500)
    picks, _ = farthest_of_parts(pool_of(X, 1000, 1300), 200, 1)
    np.testing.assert_array_equal(picks, slow_farthest_first(X.astype(np.float64), 200, 1))


@pytest.mark.parametrize("pool", ["ties", "duplicates", "all alike"])
def test_a_whole_pool_is_picked_with_what_coincides_last(monkeypatch, pool):
    X = POOLS[pool][:900]
    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 1)
    expected, distances = farthest_first(X, len(X), first=5)
    picks, gaps = farthest_of_parts(pool_of(X, 100, 250), len(X), 5)
    np.testing.assert_array_equal(picks, expected)
    np.testing.assert_array_equal(gaps, distances)


def test_some_rows_of_a_pool(monkeypatch):
    X = POOLS["normal"]
    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 4 * 6 * 120)
    rows = np.flatnonzero(np.random.default_rng(1).random(len(X)) < 0.4)
    rows = rows[(rows < 1000) | (rows >= 1400)]
    part = pool_of(X, 700, 1000, 1400, 2000).part(rows)
    assert not part.in_arrays
    picks, _ = farthest_of_parts(part, 100, 3)
    np.testing.assert_array_equal(picks, farthest_first(X[rows], 100, first=3)[0])


def test_processes_and_how_many_rounds_they_take(monkeypatch):
    X = normal(40_000, 8)
    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 4 * 8 * 2000)
    rounds = []
    whole = kcenter_parts.go_on
    monkeypatch.setattr(
        kcenter_parts, "go_on", lambda *given, **named: rounds.append(len(given[0])) or whole(*given, **named)
    )
    pool = pool_of(X, 9000, 9001, 30_000, engine=LocalExecutor(2))
    picks, _ = farthest_of_parts(pool, 300, 0)
    np.testing.assert_array_equal(picks, farthest_first(X, 300, first=0)[0])
    assert 2 <= len(rounds) <= 8 and max(rounds) <= 2000 + 4
