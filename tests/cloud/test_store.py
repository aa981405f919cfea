"""Indexes and proxy sets on object storage: a real S3 server in a process of its own, moto's."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from proxyset.cloud import shard_parts
from proxyset.cloud.build import build_index
from proxyset.cloud.executor import LocalExecutor
from proxyset.cloud.export import export
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.cloud.store import StorePath, place, upload
from proxyset.errors import ArtifactError, InvalidInput
from proxyset_lab.speed.s3 import s3_server
from tests.cloud.test_executor import contents

pytest.importorskip("obstore")
pytest.importorskip("moto")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("server") / "objects") as bucket:
        yield bucket


@pytest.fixture
def bucket(server, request):
    """A place of this test alone."""
    return f"{server}/{request.node.name}"


@pytest.fixture
def pool(tmp_path):
    (tmp_path / "pool").mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        np.save(tmp_path / "pool" / f"{number}.npy", rng.normal(size=(200, 5)).astype(np.float32))
    return tmp_path / "pool"


def objects(url, into):
    """What lies there, as `contents` has it of a folder."""
    for name in place(url).below():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (place(url) / name).download(into / name)
    return contents(into)


def killed(numbers, *command):
    """How runs of a command ended that were killed at these requests."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cloud.killed_in_store", ",".join(map(str, numbers)), *command],
        capture_output=True, text=True, timeout=600, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return [int(line) for line in done.stdout.split()]


def test_from_a_pool_to_a_proxy_set_all_in_a_bucket(pool, tmp_path, bucket, monkeypatch):
    here = build_index(pool, tmp_path / "index", clusters=6, medoids=True)
    there = build_index(pool, f"{bucket}/index", clusters=6, medoids=True)
    assert objects(f"{bucket}/index", tmp_path / "copy") == contents(tmp_path / "index")
    assert there.fingerprint == here.fingerprint and str(there.folder) == f"{bucket}/index"
    assert there.probe().fingerprint == here.probe().fingerprint

    wanted = {"budget": 30, "reference": np.ones((50, 5), np.float32)}
    chosen = select(here, [], tmp_path / "proxy", **wanted)
    monkeypatch.setattr(shard_parts, "MEMORY_BYTES", 0)
    opened = Index.open(f"{bucket}/index")
    stored = select(opened, [], f"{bucket}/proxy", **wanted)
    assert stored.ids() == chosen.ids()
    assert objects(f"{bucket}/proxy", tmp_path / "proxy-copy") == contents(tmp_path / "proxy")
    assert len(list(ProxySet.open(f"{bucket}/proxy").items())) == 30
    assert select(opened, [], f"{bucket}/proxy", **wanted).ids() == chosen.ids()  # which is there
    export(stored, "parquet", f"{bucket}/train.parquet")
    export(stored, "parquet", tmp_path / "train.parquet")
    place(f"{bucket}/train.parquet").download(tmp_path / "there.parquet")
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "train.parquet").read_bytes()
    with pytest.raises(FileExistsError, match="already exists"):
        export(stored, "parquet", f"{bucket}/train.parquet")
    with pytest.raises(FileExistsError, match="another proxy set"):
        select(opened, [], f"{bucket}/proxy", **wanted | {"budget": 29})


def test_workers_read_and_write_a_bucket(pool, tmp_path, bucket):
    build_index(pool, tmp_path / "index", clusters=6)
    build_index(pool, f"{bucket}/index", clusters=6, executor=LocalExecutor(2))
    assert objects(f"{bucket}/index", tmp_path / "copy") == contents(tmp_path / "index")


def test_an_index_is_copied_there_and_back(pool, tmp_path, bucket):
    index = build_index(pool, clusters=6)
    moved = index.save(f"{bucket}/index")
    assert Index.open(f"{bucket}/index").fingerprint == index.fingerprint
    moved.save(tmp_path / "back")
    assert contents(tmp_path / "back") == contents(index.folder)
    with pytest.raises(FileExistsError):
        index.save(f"{bucket}/index")


@pytest.mark.parametrize("pool_lies", ["here", pytest.param("there", marks=pytest.mark.thorough)])
def test_killed_at_random_requests_and_run_again_it_is_byte_identical(pool, tmp_path, bucket, pool_lies):
    """A build that died left no index, and the next goes on; seeded."""
    if pool_lies == "there":
        upload(pool, StorePath(f"{bucket}/pool"), "")
        pool = f"{bucket}/pool"
    build_index(pool, tmp_path / "index", clusters=6)
    numbers = [random.Random(0).randrange(1, 24), 2, 3, 8, 13, 17, 20, 22]
    numbers = numbers[::2] if pool_lies == "there" else numbers  # each run reads the pool over the network
    ends = killed(numbers, "index", "build", str(pool), "--out", f"{bucket}/index", "--clusters", "6")
    assert ends.count(-signal.SIGKILL) >= len(numbers) / 2
    if ends[-1] == -signal.SIGKILL:
        with pytest.raises(ArtifactError, match="did not finish"):
            Index.open(f"{bucket}/index")
    build_index(pool, f"{bucket}/index", clusters=6)
    assert objects(f"{bucket}/index", tmp_path / "copy") == contents(tmp_path / "index")


def test_of_two_processes_one_writes(pool, bucket):
    mark = StorePath(f"{bucket}/mark")
    mark.exchange(None, b"one")
    mark.exchange(None, b"one")
    with pytest.raises(InvalidInput, match="another process"):
        mark.exchange(None, b"two")
    with pytest.raises(InvalidInput, match="another process"):
        mark.exchange(b"none", b"two")
    mark.exchange(b"one", b"two")
    assert mark.read_bytes() == b"two"

    class Meanwhile:
        """Another build with another seed begins when the first is half done."""

        def run(self, function, tasks):
            if function.__name__ == "assign_shard":
                build_index(pool, f"{bucket}/index", clusters=6, seed=1)
            return map(function, tasks)

    with pytest.raises((InvalidInput, ArtifactError)):
        build_index(pool, f"{bucket}/index", clusters=6, executor=Meanwhile())
    build_index(pool, f"{bucket}/alone", clusters=6, seed=1)
    assert Index.open(f"{bucket}/index").fingerprint == Index.open(f"{bucket}/alone").fingerprint


def test_what_is_no_index_is_said(pool, bucket):
    with pytest.raises(ArtifactError, match="not a finished index"):
        Index.open(f"{bucket}/nothing")
    StorePath(f"{bucket}/other/file").put(b"mine")
    with pytest.raises(InvalidInput, match="not an index"):
        build_index(pool, f"{bucket}/other", clusters=6)
    with pytest.raises(InvalidInput, match="no place that can be written"):
        build_index(pool, "nowhere://bucket/index", clusters=6)
    index = build_index(pool, f"{bucket}/index", clusters=6)
    shard = StorePath(f"{bucket}/index/shards/000001.parquet")
    shard.put(shard.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"000001\.parquet is missing or was changed"):
        select(index, [], budget=3, strategy="k-center")
