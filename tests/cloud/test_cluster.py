"""Engines: the same index and the same proxy set on all of them, whatever dies meanwhile."""

import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import proxyset
from proxyset.client.answer import answer
from proxyset.cloud import shard_parts
from proxyset.cloud.build import build_index
from proxyset.cloud.curation import Curation
from proxyset.cloud.executor import Executor, LocalExecutor, RayExecutor
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import select
from proxyset.cloud.select import STRATEGIES, kcenter_parts
from tests.cloud.test_executor import contents

ASKED = Curation(
    only={"label": ["0", "1", "2"]}, min_share={"source": 0.2}, apart_from=(np.zeros((3, 8), np.float32),)
)


@pytest.fixture
def parts(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "pool").mkdir()
    for number, rows in enumerate((1200, 900, 1, 1500)):
        table = {
            "id": [f"{number}-{row}" for row in range(rows)],
            "embedding": list(rng.normal(size=(rows, 8)).astype(np.float32)),
            "source": [f"s{row % 3}" for row in range(rows)],
            "label": [str(row % 5) for row in range(rows)],
        }
        pq.write_table(pa.table(table), tmp_path / "pool" / f"{number}.parquet")
    return tmp_path


def built(folder, name, executor=None):
    return build_index(folder / "pool", folder / name, clusters=12, executor=executor)


def selected(index, out, executor=None, **asked):
    if "releases" not in asked:
        asked |= {"releases": [], "reference": np.ones((50, 8), np.float32)}
    return select(index, asked.pop("releases"), out, budget=100, executor=executor, **asked)


def die_once(function, flag, task):
    """The worker that gets a task first is killed."""
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return function(task)


def linger_once(function, flag, task):
    """The worker that gets a task first says on which node it is, and does nothing any more."""
    try:
        descriptor = os.open(flag, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return function(task)
    import ray

    os.write(descriptor, ray.get_runtime_context().get_node_id().encode() + b".")
    time.sleep(600)
    raise AssertionError("nobody killed this node")


@dataclass(frozen=True)
class Unlucky:
    """An engine where something happens once, to a task of one stage; other stages go elsewhere."""

    executor: Executor
    elsewhere: Executor
    happens: Callable
    stage: str
    flag: Path

    def run(self, function, tasks):
        named = function
        while isinstance(named, functools.partial):
            named = next((part for part in named.args if callable(part)), named.func)
        if named.__name__ == self.stage:
            return self.executor.run(functools.partial(self.happens, function, self.flag), tasks)
        return self.elsewhere.run(function, tasks)


@pytest.mark.parametrize("curation", [None, ASKED])
@pytest.mark.parametrize("strategy", sorted(STRATEGIES.names()))
def test_part_by_part_is_as_in_memory(parts, monkeypatch, strategy, curation):
    """And no strategy, nor what is said of its choice, holds the pool."""
    index = built(parts, "index")
    X = np.random.default_rng(1).normal(1, 0.5, (200, 8)).astype(np.float32)
    release = answer(index.probe(), X, epsilon=5, ledger=parts / "ledger", dataset="X")
    asked = {"strategy": strategy, "curation": curation, "releases": [release]}
    whole = selected(index, parts / "whole", **asked)
    monkeypatch.setattr(shard_parts, "MEMORY_BYTES", 0)
    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 4 * 8 * 300)

    def refused(self):
        raise AssertionError("the pool was held")

    monkeypatch.setattr(shard_parts.ShardCandidates, "_arrays", property(refused))
    by_part = selected(Index.open(index.folder), parts / "by-part", **asked)
    assert contents(by_part.folder) == contents(whole.folder)


# what maps over shards in a selection, and a strategy that does
MAPS = [
    ("_of_part", "density-ratio"),
    ("_farthest", "k-center"),
    ("spread", "ecos"),
    ("_least_of_part", "facility-location"),
]


@pytest.mark.parametrize(("stage", "strategy"), MAPS[:2])
def test_a_worker_killed_in_a_selection_changes_no_byte(parts, monkeypatch, stage, strategy):
    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 4 * 8 * 1500)
    index = built(parts, "index")
    whole = selected(index, parts / "whole", strategy=strategy)
    flag = parts / "flag"
    unlucky = Unlucky(LocalExecutor(2), LocalExecutor(), die_once, stage, flag)
    killed = selected(index, parts / "killed", unlucky, strategy=strategy)
    assert flag.exists() and contents(killed.folder) == contents(whole.folder)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("stage", "strategy"), [("encode_shard", "density-ratio"), ("assign_shard", "density-ratio"), *MAPS]
)
def test_a_node_of_three_killed_changes_no_byte(parts, monkeypatch, stage, strategy):
    """A real cluster of a head, which works on nothing, and three nodes; one of them dies with a task."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(kcenter_parts, "HELD_BYTES", 4 * 8 * 1500)
    whole = selected(built(parts, "whole"), parts / "whole-set", curation=ASKED, strategy=strategy)
    places = [str(Path(__file__).parents[2]), str(Path(proxyset.__file__).parents[1])]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    flag = parts / "flag"
    ray.init(
        address=cluster.address,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(places)}},
    )

    def kill():
        while not (flag.exists() and flag.read_text().endswith(".")):
            time.sleep(0.1)
        (node,) = [node for node in nodes if node.node_id == flag.read_text().rstrip(".")]
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        unlucky = Unlucky(RayExecutor(), RayExecutor(), linger_once, stage, flag)
        index = built(parts, "killed", unlucky)
        killed = selected(index, parts / "killed-set", unlucky, curation=ASKED, strategy=strategy)
    finally:
        ray.shutdown()
        cluster.shutdown()
    killer.join(timeout=60)
    assert flag.exists() and not killer.is_alive()
    assert contents(parts / "killed") == contents(parts / "whole")
    assert contents(killed.folder) == contents(whole.folder)
