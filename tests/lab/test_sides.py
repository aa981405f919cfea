from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from proxyset.errors import InvalidInput
from proxyset_lab.cell import Data, Group
from proxyset_lab.data.registry import find
from proxyset_lab.features import Features
from proxyset_lab.sides import sides
from proxyset_lab.task import Task
from proxyset_lab.twins import Twins

NONE = Twins(np.empty((0, 2), np.int64), None)
REAL = [
    "digits-small",
    "sentiment",
    "flights",
    pytest.param("digits", marks=pytest.mark.thorough),
    pytest.param("iconnet", marks=pytest.mark.thorough),
    pytest.param("letters", marks=pytest.mark.thorough),
    pytest.param("options", marks=pytest.mark.slow),
    pytest.param("flights-to", marks=pytest.mark.slow),
]


def parents(features):
    """What each item comes from, as its id says where the data have no column for it: the review, the date, the code point."""
    if features.groups is not None:
        return features.groups
    table = features._table
    if "month" in table.column_names:
        return np.array(
            [
                f"{m:g}/{d:g}"
                for m, d in zip(table["month"].to_pylist(), table["day"].to_pylist(), strict=True)
            ]
        )
    return np.array([name.partition("_")[0] for name in table["id"].to_pylist()])


@pytest.mark.parametrize("name", REAL)
def test_no_source_and_no_near_duplicate_of_a_real_data_set_is_on_two_sides(name, tmp_path):
    features = Features.of(find(name))
    of = parents(features)
    for domain in find(name).domains:
        data = Data(name=name, budgets=(10,), most=1500)
        task = Task(Group(name, domain.name, 0, "id+ood"), data, features, tmp_path, tmp_path)
        parts = (task.split.test, task.split.client, task.pool)
        for one, other in combinations(parts, 2):
            assert not set(of[one]) & set(of[other]), domain.name
            assert not np.isin(features.twins.of(one), other).any(), domain.name


def test_a_group_lies_on_one_side_whatever_the_domain():
    rng = np.random.default_rng(0)
    domains = rng.choice(["flat", "mono", "photo"], 600)
    groups = rng.integers(0, 80, 600).astype(str)
    found = sides(list(domains), "flat", 3, groups=list(groups), twins=NONE)
    parts = [set(groups[rows]) for rows in (found.test, found.client, found.pool)]
    assert not any(one & other for one, other in combinations(parts, 2))
    assert set(found.pool) == set(found.in_distribution) | set(found.others)
    assert abs(len(found.test) / (domains == "flat").sum() - 0.2) < 0.1
    others = (domains != "flat").sum()
    assert found.lost_groups == others - len(found.others) > 0


def test_near_duplicates_stay_with_the_first_side_that_has_them():
    rng = np.random.default_rng(1)
    domains = ["a"] * 200 + ["b"] * 200
    pairs = np.sort(np.stack([rng.permutation(400)[:300], rng.permutation(400)[:300]], axis=1), axis=1)
    twins = Twins(pairs[pairs[:, 0] < pairs[:, 1]], 0.9)
    found = sides(domains, "a", 0, groups=None, twins=twins)
    whole = sides(domains, "a", 0, groups=None, twins=NONE)
    assert np.array_equal(found.test, whole.test)
    for one, other in combinations((found.test, found.client, found.pool), 2):
        assert not np.isin(twins.of(one), other).any()
    assert found.lost_twins == 400 - sum(map(len, (found.test, found.client, found.pool))) > 0


def test_at_most_so_many_of_each_domain_after_what_is_left_out():
    domains = ["a"] * 500 + ["b"] * 30 + ["c"] * 200
    found = sides(domains, "a", 0, groups=None, twins=NONE, most=100)
    rows = np.concatenate([found.test, found.client, found.pool])
    assert len(np.unique(rows)) == len(rows)
    assert Counter(np.asarray(domains)[rows]) == {"a": 100, "b": 30, "c": 100}
    assert not np.array_equal(found.pool, sides(domains, "a", 1, groups=None, twins=NONE, most=100).pool)


def test_what_cannot_be_split():
    with pytest.raises(InvalidInput, match="choose a, b"):
        sides(["a", "b"], "c", 0, groups=None, twins=NONE)
    with pytest.raises(InvalidInput, match="3 items of 'a' in 1 groups"):
        sides(["a", "a", "a", "b"], "a", 0, groups=["x", "x", "x", "y"], twins=NONE)
