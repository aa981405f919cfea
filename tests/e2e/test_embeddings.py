"""`index build → probe → answer → select` as in docs/cli.md, for ready embeddings of any size."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxyset.cli import run
from proxyset.cloud.select import STRATEGIES


def flow(folder, pool, private, clusters, budget, strategy="ecos", epsilon=0.58, dtype="float16"):
    np.save(folder / "pool.npy", pool)
    np.save(folder / "private.npy", private)
    at = {name: str(folder / name) for name in ("index", "probe", "release", "proxy", "ledger")}
    data = {name: str(folder / f"{name}.npy") for name in ("pool", "private")}
    steps = [
        ["index", "build", data["pool"], "--out", at["index"], "--clusters", clusters],
        ["probe", at["index"], "--out", at["probe"], "--dtype", dtype],
        [
            "answer",
            at["probe"],
            "--data",
            data["private"],
            "--epsilon",
            epsilon,
            "--ledger",
            at["ledger"],
            "--out",
            at["release"],
        ],
        [
            "select",
            at["index"],
            at["release"],
            "--budget",
            budget,
            "--strategy",
            strategy,
            "--out",
            at["proxy"],
        ],
    ]
    for step in steps:
        assert run([str(word) for word in step]) == 0, step
    return pq.read_table(folder / "proxy" / "selection.parquet")


@pytest.mark.parametrize("examples", [8, pytest.param(25, marks=pytest.mark.thorough)])
def test_any_sizes_give_exactly_the_budget(examples):
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings(max_examples=examples, suppress_health_check=slow)(given(st.data())(any_size))()


def any_size(data):
    n, d = data.draw(st.integers(2, 60)), data.draw(st.integers(2, 130))
    clusters, budget = data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    distinct = data.draw(st.integers(1, n))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.float16]))
    pool = rng.normal(size=(distinct, d)).astype(dtype)[rng.integers(0, distinct, n)]
    private = rng.normal(size=(data.draw(st.integers(1, 40)), d)).astype(dtype)
    strategy = data.draw(st.sampled_from(sorted(STRATEGIES.own)))
    folder = Path(tempfile.mkdtemp())
    try:
        table = flow(
            folder,
            pool,
            private,
            clusters,
            budget,
            strategy,
            dtype=data.draw(st.sampled_from(["float32", "float16", "int8"])),
        )
    finally:
        shutil.rmtree(folder)
    ids = table.column("id").to_pylist()
    assert len(ids) == budget == len(set(ids))
    assert all(0 <= int(item) < n for item in ids)
    assert table.column("rank").to_pylist() == list(range(budget))
    assert all(0 <= cluster < clusters for cluster in table.column("cluster").to_pylist())
    assert np.isfinite(table.column("score").to_numpy()).all()


def test_it_finds_what_the_client_has(blobs):
    pool, private = np.load(blobs / "pool.npy"), np.load(blobs / "private.npy")
    table = flow(blobs, pool, private, 12, 200, epsilon=1)
    inside = np.array([int(item) % 6 < 2 for item in table.column("id").to_pylist()])
    assert inside.mean() > 0.9  # a third of the pool, nine tenths of the proxy set


def test_a_budget_beyond_the_pool_takes_the_pool(blobs, command):
    pool, private = np.load(blobs / "pool.npy"), np.load(blobs / "private.npy")
    flow(blobs, pool, private, 12, 50)
    status, result, error = command(
        "select", blobs / "index", blobs / "release", "--budget", 9999, "--out", blobs / "all", "--json"
    )
    assert (status, result["rows"]) == (0, 1200)
    assert "fewer than the budget of 9999" in error


# density-ratio draws candidates in proportion to the budget: a prefix is a good smaller set, but not the same one
@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES.own) - {"density-ratio"}))
def test_a_prefix_of_a_ranking_is_the_smaller_proxy_set(blobs, command, strategy):
    pool, private = np.load(blobs / "pool.npy"), np.load(blobs / "private.npy")
    large = flow(blobs, pool, private, 12, 300, strategy)
    assert (
        command(
            "select",
            blobs / "index",
            blobs / "release",
            "--budget",
            80,
            "--strategy",
            strategy,
            "--out",
            blobs / "small",
        )[0]
        == 0
    )
    small = pq.read_table(blobs / "small" / "selection.parquet")
    assert small.column("id").to_pylist() == large.column("id").to_pylist()[:80]
