from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.encoders import tabular_fit
from proxyset.encoders.columns import NEVER
from proxyset.encoders.tabular import Categories, Number
from proxyset.encoders.tabular_fit import FitOptions, fit
from proxyset.errors import InvalidData
from proxyset.sources.source import KEPT_COLUMNS

N = 500
rng = np.random.default_rng(0)
POOL = pa.table(
    {
        "id": [f"i{i}" for i in range(N)],
        "label": ["yes", "no"] * (N // 2),
        "row": np.arange(7, 7 + N),
        "user_id": rng.integers(0, 9, N),
        "age": rng.normal(40, 10, N),
        "gaps": [None if i % 5 == 0 else float(i % 3) for i in range(N)],
        "rare": [1.0 if i % 100 == 0 else 0.0 for i in range(N)],
        "city": ["Rome"] * (N // 2) + ["Oslo"] * (N // 4) + ["Bonn"] * (N // 4),
        "job": [None if i % 4 == 0 else f"job {i % 3}" for i in range(N)],
        "note": [f"note {i}" for i in range(N)],
        "one": [3] * N,
        "same": ["x"] * N,
        "nothing": pa.nulls(N),
        "list": [[1]] * N,
        "flag": [i % 2 == 0 for i in range(N)],
    }
)


def test_columns_that_are_features():
    encoder = fit([POOL])
    assert [column.name for column in encoder.params.columns] == [
        "age",
        "gaps",
        "rare",
        "city",
        "job",
        "flag",
    ]
    assert set(encoder.dropped) == {
        "id", "label", "row", "user_id", "note", "one", "same", "nothing", "list",
    }  # fmt: skip
    assert encoder.dropped["one"] == "is always 3"
    X = encoder.encode(POOL)
    assert X.embeddings.shape == (N, encoder.spec.dim) and not X.problems
    assert (X.embeddings.std(axis=0) > 0).sum() == encoder.spec.dim - 2  # nothing in the pool is "other"


def test_statistics():
    columns = {column.name: column for column in fit([POOL]).params.columns}
    age = POOL["age"].to_numpy()
    assert isinstance(columns["age"], Number)
    assert abs(columns["age"].centre - np.median(age)) < 0.1
    assert abs(columns["age"].scale - age.std()) < 1
    assert columns["gaps"].missing and not columns["age"].missing
    assert columns["rare"].scale == pytest.approx(np.sqrt(0.01 * 0.99))
    assert columns["city"] == Categories(name="city", values=["Rome", "Bonn", "Oslo"], missing=False)
    assert columns["job"].missing


def test_one_wild_value_does_not_spoil_a_column():
    wild = POOL["age"].to_numpy().copy()
    wild[3] = 1e12
    before, after = fit([POOL.select(["age"])]), fit([pa.table({"age": wild})])
    assert after.params.columns[0].scale == pytest.approx(before.params.columns[0].scale, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, N), max_size=6))
def test_the_batches_do_not_matter(cuts):
    edges = [0, *sorted(cuts), N]
    batches = [POOL.slice(a, b - a) for a, b in pairwise(edges)]
    assert fit(batches).spec.fingerprint == fit([POOL]).spec.fingerprint


def test_a_large_pool_is_sampled_the_same_in_any_batches(monkeypatch):
    monkeypatch.setattr(tabular_fit, "SAMPLE", 1000)
    values = np.sort(rng.normal(size=50_000))
    table = pa.table({"x": values})
    a = fit([table])
    b = fit([table.slice(i, 77) for i in range(0, 50_000, 77)])
    assert a.spec.fingerprint == b.spec.fingerprint
    # The median of 1,000 of 50,000 sorted values: standard error 0.04, so 6 of them fail one time in 10⁹.
    assert abs(a.params.columns[0].centre) < 0.24
    assert abs(a.params.columns[0].scale - 1) < 0.24


def test_shuffled_row_numbers_are_distinct_and_spread():
    z = tabular_fit._shuffled(5, 100_000)
    assert len(np.unique(z)) == len(z)
    np.testing.assert_array_equal(z[10:20], tabular_fit._shuffled(15, 10))
    assert abs((z / 2.0**64).mean() - 0.5) < 0.006  # six standard errors


def test_most_frequent_categories_get_a_feature_each():
    counts = {"a": 5, "b": 9, "c": 9, "d": 1}
    table = pa.table({"c": [value for value, count in counts.items() for _ in range(count)]})
    encoder = fit([table], FitOptions(categories=3))
    assert encoder.params.columns[0].values == ["b", "c", "a"]
    X = encoder.encode(pa.table({"c": ["b", "d", "never seen", None]})).embeddings
    np.testing.assert_array_equal(X, [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_a_type_that_appears_late():
    first, later = pa.table({"x": pa.nulls(3)}), pa.table({"x": [1.0, 5.0]})
    column = fit([first, later]).params.columns[0]
    assert column.missing and column.centre in (1.0, 5.0)


def test_extreme_values():
    table = pa.table({"huge": [1.7e308, -1.7e308] * 10, "inf": [float("inf")] * 20, "x": [0.0, 1.0] * 10})
    encoder = fit([table])
    assert [column.name for column in encoder.params.columns] == ["x"]
    assert "double" in encoder.dropped["huge"] and "finite" in encoder.dropped["inf"]


def test_more_features_than_a_probe_may_ask_for():
    wide = pa.table({f"c{i}": [f"{j // 2}" for j in range(1000)] for i in range(140)})
    with pytest.raises(InvalidData, match="140 columns of features are too much: these would be 70140"):
        fit([wide], FitOptions(categories=500))
    long = fit([pa.table({"n" * 1001: [1, 2], "x": [1, 2]})])
    assert [column.name for column in long.params.columns] == ["x"]


def test_what_the_sources_keep_is_never_a_feature():
    assert {"id", *KEPT_COLUMNS} <= set(NEVER)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "empty"),
        ([POOL.slice(0, 0)], "empty"),
        ([POOL.select(["id", "one"])], "'id' names items; 'one' is always 3"),
        ([pa.table({"x": [1, 2]}), pa.table({"y": [1, 2]})], "'x' is not in all"),
        (
            [pa.table({"x": [1, 2]}), pa.table({"x": ["a", "b"]})],
            "number in one part of the pool and category",
        ),
        ([pa.table([[1], [2]], names=["x", "x"])], "twice"),
    ],
)
def test_pools_without_statistics(batches, message):
    with pytest.raises(InvalidData, match=message):
        fit(batches)
