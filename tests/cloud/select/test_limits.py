import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.cloud.select import STRATEGIES, Candidates, Coverage, Ranking, rank
from proxyset.cloud.select.distances import nearest_distance
from proxyset.cloud.select.limits import Limits, share_out
from proxyset.errors import InvalidInput

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(300, 4)).astype(np.float32)
CENTROIDS = Z[:6]
POOL = Candidates(Z, np.square(Z[:, None] - CENTROIDS).sum(axis=2).argmin(axis=1).astype(np.int32), CENTROIDS)
COVERAGE = Coverage(np.array([40.0, 5, 3, 0, 0, 60]), 2.0)


@given(st.data(), st.integers(1, 30), st.integers(1, 5))
def test_every_group_has_its_share_and_the_rest_stays_in_order(data, items, kinds):
    groups = np.array(
        data.draw(st.lists(st.integers(-1, kinds - 1), min_size=items, max_size=items)), np.int32
    )
    least = np.array(data.draw(st.lists(st.floats(0, 1), min_size=kinds, max_size=kinds)))
    least /= max(1.0, least.sum())
    budget = data.draw(st.integers(1, items))
    rows = np.array(data.draw(st.permutations(range(items)))[:budget])

    def more(some, wanted):
        return Ranking(some[:wanted], np.zeros(wanted), ["more"] * wanted)

    found = share_out(
        Ranking(rows, np.arange(budget, dtype=float), ["so"] * budget), groups, least, budget, more
    )
    assert len(np.unique(found.rows)) == len(found.scores) == len(found.reasons) == budget
    have = np.bincount(groups[found.rows][groups[found.rows] >= 0], minlength=kinds)
    sizes = np.bincount(groups[groups >= 0], minlength=kinds)
    assert (have >= np.minimum(np.floor(least * budget + 1e-9), sizes)).all()
    if not least.any():
        assert found.rows.tolist() == rows.tolist()


def test_prefixes_keep_the_shares_too():
    groups = np.repeat([0, 1], [150, 150]).astype(np.int32)
    limits = Limits(groups=groups, least=np.array([0.3, 0.3]))
    for strategy in ("random", "density-ratio"):
        found = groups[rank(POOL, COVERAGE, 100, strategy, limits=limits).rows]
        for count in range(10, 101, 10):
            assert np.bincount(found[:count], minlength=2).min() >= 0.3 * count - 2


@pytest.mark.parametrize("strategy", sorted(STRATEGIES.own))
def test_what_may_not_be_chosen_is_not_by_any_strategy(strategy):
    allowed = np.arange(300) % 3 > 0
    groups = (np.arange(300) % 7).astype(np.int32)
    limits = Limits(allowed, np.arange(100), groups, np.full(7, 1 / 7))
    for budget in (14, 400):
        rows = rank(POOL, COVERAGE, budget, strategy, limits=limits).rows
        assert allowed[rows].all() and (rows >= 100).all() and len(np.unique(rows)) == min(budget, 134)
    assert np.bincount(groups[rank(POOL, COVERAGE, 14, strategy, limits=limits).rows]).tolist() == [2] * 7


def test_no_limits_change_nothing():
    for strategy in STRATEGIES.own:
        free = rank(POOL, COVERAGE, 50, strategy)
        everything = Limits(np.ones(300, bool), np.empty(0, np.intp), np.full(300, -1, np.int32), np.zeros(0))
        assert rank(POOL, COVERAGE, 50, strategy, limits=everything).rows.tolist() == free.rows.tolist()


def test_the_default_keeps_away_from_what_was_chosen_before():
    """The mean distance of the pool to old and new items together falls by more than with a choice that ignores the old."""
    first = rank(POOL, COVERAGE, 40, seed=1)
    both = Limits(chosen=np.sort(first.rows))
    knows = rank(POOL, COVERAGE, 40, seed=1, limits=both).rows
    ignores = rank(POOL.part(np.setdiff1d(np.arange(300), first.rows)), COVERAGE, 40, seed=1).rows
    ignores = np.setdiff1d(np.arange(300), first.rows)[ignores]
    near = [nearest_distance(Z[rows], Z[first.rows]).mean() for rows in (knows, ignores)]
    assert near[0] > near[1]
    left = [nearest_distance(Z, Z[np.concatenate([first.rows, rows])]).mean() for rows in (knows, ignores)]
    assert left[0] < left[1]


def test_impossible_limits_are_said():
    with pytest.raises(InvalidInput, match="none of the 300 items"):
        rank(POOL, COVERAGE, 5, limits=Limits(allowed=np.zeros(300, bool)))
    for least in ([0.6, 0.6], [-0.1, 0.2]):
        with pytest.raises(InvalidInput, match="together at most 1"):
            rank(POOL, COVERAGE, 5, limits=Limits(groups=np.zeros(300, np.int32), least=np.array(least)))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5000, 3), (10, 1500)])
def test_distances_are_those_of_the_definition(n, m):
    rng = np.random.default_rng([n, m])
    A, B = rng.normal(size=(n, 3)).astype(np.float32) + 5, rng.normal(size=(m, 3)).astype(np.float32) + 5
    A[0] = B[-1]
    slow = np.sqrt(np.square(A[:, None].astype(float) - B).sum(axis=2)).min(axis=1)
    np.testing.assert_allclose(nearest_distance(A, B), slow, atol=3e-3)
