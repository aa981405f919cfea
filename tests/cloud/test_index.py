import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from proxyset.cloud.build import build_index
from proxyset.cloud.executor import LocalExecutor
from proxyset.cloud.index import Index
from proxyset.cloud.select import STRATEGIES, Coverage
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.nearest import nearest_centroid


def contents(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_every_item_is_in_its_nearest_cluster(blobs):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=12)
    candidates = index.candidates()
    pool = np.load(blobs / "pool.npy")
    np.testing.assert_allclose(candidates.Z, index.projection(pool), atol=2e-3)
    np.testing.assert_array_equal(candidates.clusters, nearest_centroid(candidates.Z, index.centroids))
    assert candidates.sizes.sum() == len(index) == 1200


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("clusters", [3, 200])
def test_the_probe_gives_the_labels_of_the_index(blobs, clusters, dtype):
    """3 clusters travel in feature space, 200 with a projection: both assign as the index does."""
    rng = np.random.default_rng(0)
    np.save(blobs / "wide.npy", rng.normal(size=(2000, 150)).astype(np.float32) * np.arange(1, 151))
    index = build_index(blobs / "wide.npy", blobs / "index", clusters=clusters, dim=20)
    probe = index.probe(dtype=dtype)
    assert (probe.projection is None) == (clusters == 3)
    labels = nearest_centroid(probe.project(np.load(blobs / "wide.npy").astype(np.float32)), probe.centroids)
    assert (labels == index.candidates().clusters).mean() > (0.999 if clusters == 3 else 0.99)


def test_building_again_changes_nothing_and_another_seed_is_refused(blobs):
    first = build_index(blobs / "pool.npy", blobs / "index", clusters=5)
    before = contents(blobs / "index")
    assert build_index(blobs / "pool.npy", blobs / "index", clusters=5).fingerprint == first.fingerprint
    assert contents(blobs / "index") == before
    with pytest.raises(InvalidInput, match="seed was 0, now 1"):
        build_index(blobs / "pool.npy", blobs / "index", clusters=5, seed=1)


def test_the_fingerprint_follows_content_and_parameters_not_places(blobs):
    one = build_index(blobs / "pool.npy", blobs / "one", clusters=5)
    (blobs / "elsewhere").mkdir()
    np.save(blobs / "elsewhere" / "copy.npy", np.load(blobs / "pool.npy"))
    assert (
        build_index(blobs / "elsewhere" / "copy.npy", blobs / "two", clusters=5).fingerprint
        == one.fingerprint
    )
    assert build_index(blobs / "pool.npy", blobs / "three", clusters=5, seed=1).fingerprint != one.fingerprint


def test_workers_do_not_change_the_bytes(blobs):
    rng = np.random.default_rng(0)
    (blobs / "texts").mkdir()
    words = ["river", "stone", "engine", "violet", "ledger", "harbour"]
    for number in range(3):
        lines = [
            json.dumps({"id": f"{number}-{i}", "text": " ".join(rng.choice(words, 5))}) for i in range(40)
        ]
        (blobs / "texts" / f"{number}.jsonl").write_text("\n".join(lines))
    build_index(blobs / "texts", blobs / "one", clusters=4)
    build_index(blobs / "texts", blobs / "two", clusters=4, executor=LocalExecutor(2))
    assert contents(blobs / "one") == contents(blobs / "two")


def test_a_failed_build_can_be_repeated_with_fewer_clusters(blobs):
    with pytest.raises(InvalidInput, match=r"1201 clusters.*1200"):
        build_index(blobs / "pool.npy", blobs / "index", clusters=1201)
    with pytest.raises(ArtifactError, match="run the same `index build` again"):
        Index.open(blobs / "index")
    assert len(build_index(blobs / "pool.npy", blobs / "index", clusters=1200)) == 1200


def test_a_changed_pool_is_noticed(blobs):
    with pytest.raises(InvalidInput):
        build_index(blobs / "pool.npy", blobs / "index", clusters=5000)
    np.save(blobs / "pool.npy", np.load(blobs / "pool.npy")[:-1])
    with pytest.raises(InvalidInput, match="the pool's files"):
        build_index(blobs / "pool.npy", blobs / "index", clusters=5)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_bad_values_are_counted_named_and_limited(blobs, value):
    pool = np.load(blobs / "pool.npy")
    pool[7, 3] = value
    np.save(blobs / "pool.npy", pool)
    with pytest.raises(
        InvalidData, match=r"1 of 1200 items could not be encoded, more than 0.0%: 7: feature 3"
    ):
        build_index(blobs / "pool.npy", blobs / "index", clusters=5)
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=5, max_corrupt=0.01)
    assert (len(index), index.manifest.skipped) == (1199, 1)
    assert json.loads((blobs / "index" / "skipped.jsonl").read_text())["id"] == "7"
    pool[:13, 0] = value
    np.save(blobs / "worse.npy", pool)
    with pytest.raises(
        InvalidData, match=r"13 of 1200 items could not be encoded, more than 1.0%: 0: feature 0"
    ):
        build_index(blobs / "worse.npy", blobs / "worse", clusters=5, max_corrupt=0.01)


@pytest.mark.parametrize(("unit", "offset"), [(1e-12, 0), (1e12, 0), (1.0, 1e6), (1e-3, 1.0)])
def test_units_and_offsets_do_not_matter(blobs, unit, offset):
    pool = np.load(blobs / "pool.npy").astype(np.float64)
    np.save(blobs / "moved.npy", pool * unit + offset)
    one = build_index(blobs / "pool.npy", blobs / "one", clusters=6).candidates()
    two = build_index(blobs / "moved.npy", blobs / "two", clusters=6).candidates()
    np.testing.assert_array_equal(np.sort(one.sizes), np.sort(two.sizes))
    np.testing.assert_allclose(np.abs(one.Z), np.abs(two.Z), atol=0.05)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "shards/000000.parquet", "assignments/000000.parquet", "manifest.json"]
)
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damage_is_noticed(blobs, name, damage):
    build_index(blobs / "pool.npy", blobs / "index", clusters=5)
    path = blobs / "index" / name
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    with pytest.raises(ArtifactError):
        Index.open(blobs / "index").candidates()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": 0}, "clusters"),
        ({"dim": 0}, "dim"),
        ({"dim": 9}, "8 features"),
        ({"max_corrupt": 2}, "share"),
    ],
)
def test_impossible_options_leave_nothing_behind(blobs, options, message):
    with pytest.raises(InvalidInput, match=message):
        build_index(blobs / "pool.npy", blobs / "index", **options)
    assert not (blobs / "index").exists()


def test_a_folder_that_is_not_an_index_is_not_touched(blobs):
    (blobs / "precious").mkdir()
    (blobs / "precious" / "file").write_text("keep")
    with pytest.raises(InvalidInput, match="not an index"):
        build_index(blobs / "pool.npy", blobs / "precious")
    assert [path.name for path in (blobs / "precious").iterdir()] == ["file"]


@pytest.mark.slow
def test_killed_at_random_points_and_run_again_it_is_byte_identical(blobs):
    rng, chance = np.random.default_rng(0), random.Random(0)
    (blobs / "parts").mkdir()
    for number in range(12):
        np.save(blobs / "parts" / f"{number:02d}.npy", rng.normal(size=(20_000, 32)).astype(np.float32))
    arguments = ["index", "build", str(blobs / "parts"), "--clusters", "50"]
    code = f"from proxyset.cli import run; raise SystemExit(run({arguments!r} + ['--out', __import__('sys').argv[1]]))"
    subprocess.run([sys.executable, "-c", code, str(blobs / "whole")], check=True, capture_output=True)
    kills = 0
    for folder, finished in (("shards", 1), ("shards", 12), ("assignments", 2)):
        build = subprocess.Popen(
            [sys.executable, "-c", code, str(blobs / "killed")], stdout=subprocess.DEVNULL
        )
        while len(list((blobs / "killed" / folder).glob("0*.parquet"))) < finished and build.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(build.pid, signal.SIGKILL)
        build.wait()
        if (blobs / "killed" / "manifest.json").exists():
            break  # it was faster than the kill
        kills += 1
    assert kills >= 1
    subprocess.run([sys.executable, "-c", code, str(blobs / "killed")], check=True, capture_output=True)
    assert contents(blobs / "killed") == contents(blobs / "whole")


@pytest.mark.parametrize("strategy", ["ecos", "k-center", "uniform-cluster", "facility-location"])
def test_components_in_a_scratch_file_give_the_same_selection(blobs, monkeypatch, strategy):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=12)
    coverage = Coverage(np.arange(12.0), 1.0)

    def ranking():
        candidates = index.candidates()
        found = STRATEGIES.find(strategy).rank(candidates, coverage, 50, np.random.default_rng(0))
        return candidates, found.rows.tolist()

    in_memory, rows = ranking()
    monkeypatch.setattr("proxyset.cloud.shard_parts.MEMORY_BYTES", 0)
    on_disk, same = ranking()
    assert isinstance(on_disk.Z, np.memmap)
    np.testing.assert_array_equal(in_memory.Z, on_disk.Z)
    assert rows == same


def test_many_clusters_are_assigned_in_two_levels(blobs, monkeypatch):
    exact = build_index(blobs / "pool.npy", blobs / "exact", clusters=150)
    monkeypatch.setattr("proxyset.cloud.build.FLAT", 100)
    monkeypatch.setattr("proxyset.cloud.assign.EXACT_CLUSTERS", 100)
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=150)
    candidates = index.candidates()
    assert (candidates.clusters == nearest_centroid(candidates.Z, index.centroids)).mean() > 0.99
    assert index.fingerprint != exact.fingerprint


def test_embeddings_by_id(blobs):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=4)
    X = np.load(blobs / "pool.npy").astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(index.embeddings(["900", "3", "3", "77"]), X[[900, 3, 3, 77]])
    with pytest.raises(InvalidInput, match="1 of 2 items are not in the index"):
        index.embeddings(["3", "x"])
