"""Bad input: a clear message, the right exit status, nothing debited, nothing left that looks whole."""

import io
import json
import os
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from proxyset.client.ledger import Ledger

pytest.importorskip("skimage")


@pytest.fixture
def ready(blobs, command):
    """An index, its probe and one release."""
    assert command("index", "build", blobs / "pool.npy", "--out", blobs / "index", "--clusters", 10)[0] == 0
    assert command("probe", blobs / "index", "--out", blobs / "probe")[0] == 0
    answer = ["answer", blobs / "probe", "--data", blobs / "private.npy", "--epsilon", 1]
    assert command(*answer, "--ledger", blobs / "first", "--out", blobs / "release")[0] == 0
    return blobs


def spent(path):
    return Ledger.open(path, create=False).spent() if path.exists() else 0.0


def digit(seed, size=28):
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def test_pools_that_cannot_be_indexed(tmp_path, command):
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "none.npy", np.empty((0, 4), np.float32))
    np.save(tmp_path / "flat.npy", np.ones(5))
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "flat.npy").read_bytes()[:-9])
    np.save(tmp_path / "nan.npy", np.array([[1, 2], [np.nan, 1], [3, 4]]))
    (tmp_path / "images").mkdir()
    for number in range(5):
        (tmp_path / "images" / f"{number}.png").write_bytes(digit(number)[: 200 if number == 3 else None])
    for name, words in [
        ("missing", "does not exist"),
        ("empty", ""),
        ("none.npy", ""),
        ("flat.npy", "shape"),
        ("words.npy", ""),
        ("cut.npy", ""),
        ("nan.npy", "1 of 3 items could not be encoded"),
        ("images", "1 of 5 items could not be encoded, more than 1.0%: 3.png"),
    ]:
        status, _, error = command(
            "index", "build", tmp_path / name, "--out", tmp_path / "index", "--clusters", 2
        )
        assert status == 1, name
        assert words in error and error.count("\n") == 1 and "bug" not in error, error
        assert not (tmp_path / "index" / "manifest.json").exists()
        status, _, error = command("probe", tmp_path / "index", "--out", tmp_path / "probe")
        assert status == 1 and "not a finished index" in error
        subprocess.run(["rm", "-rf", tmp_path / "index"], check=True)


@pytest.mark.parametrize(
    ("epsilon", "status"), [("0", 1), ("-1", 1), ("nan", 1), ("inf", 1), ("1e9", 1), ("abc", 2), ("50", 3)]
)
def test_privacy_that_cannot_be(ready, command, epsilon, status):
    answer = [
        "answer",
        ready / "probe",
        "--data",
        ready / "private.npy",
        "--ledger",
        ready / "ledger",
        "--out",
        ready / "r",
    ]
    got, _, error = command(*answer, "--epsilon", epsilon)
    assert got == status
    assert error and "bug" not in error
    assert spent(ready / "ledger") == 0
    assert not (ready / "r").exists()


def test_private_data_that_cannot_be_answered(ready, command):
    private = np.load(ready / "private.npy")
    np.save(ready / "narrow.npy", private[:, :5])
    for name, words in [
        ("narrow.npy", "8"),
        ("missing.npy", "exist"),
    ]:
        answer = [
            "answer",
            ready / "probe",
            "--data",
            ready / name,
            "--ledger",
            ready / "ledger",
            "--out",
            ready / "r",
        ]
        status, _, error = command(*answer, "--epsilon", 1)
        assert status == 1 and words in error and "bug" not in error, error
        assert spent(ready / "ledger") == 0
        assert not (ready / "r").exists()


@pytest.mark.parametrize("damage", ["truncated", "tampered", "version", "release", "text"])
def test_damaged_probes(ready, command, damage):
    data = (ready / "probe").read_bytes()
    changed = {
        "truncated": data[:-20],
        "tampered": data[:-20] + b"\1" * 20,
        "version": data.replace(b"proxyset.probe/2", b"proxyset.probe/1"),
        "release": (ready / "release").read_bytes(),
        "text": b"hello",
    }[damage]
    (ready / "bad").write_bytes(changed)
    answer = [
        "answer",
        ready / "bad",
        "--data",
        ready / "private.npy",
        "--ledger",
        ready / "ledger",
        "--out",
        ready / "r",
    ]
    status, _, error = command(*answer, "--epsilon", 1)
    assert status == 1 and ("this probe" in error or "not a probe" in error), error
    assert spent(ready / "ledger") == 0
    assert not (ready / "r").exists()


@pytest.mark.parametrize("damage", ["truncated", "tampered", "version", "probe", "another index", "twice"])
def test_damaged_releases(ready, command, damage):
    data = (ready / "release").read_bytes()
    changed = {
        "truncated": data[:-3],
        "tampered": data[:-8] + b"\1" * 8,
        "version": data.replace(b"proxyset.release/1", b"proxyset.release/2"),
        "probe": (ready / "probe").read_bytes(),
    }.get(damage, data)
    (ready / "bad").write_bytes(changed)
    index = ready / "index"
    if damage == "another index":
        index = ready / "other"
        assert (
            command("index", "build", ready / "pool.npy", "--out", index, "--clusters", 10, "--seed", 9)[0]
            == 0
        )
    releases = [ready / "bad", ready / "release"] if damage == "twice" else [ready / "bad"]
    status, _, error = command("select", index, *releases, "--budget", 5, "--out", ready / "proxy")
    assert status == 1 and "release" in error and "bug" not in error
    assert not (ready / "proxy").exists()


def test_a_client_with_another_encoder_refuses(tmp_path, command):
    for folder, count in (("pool", 12), ("private", 4)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            (tmp_path / folder / f"{number}.png").write_bytes(digit([count, number]))
    build = [
        "index",
        "build",
        tmp_path / "pool",
        "--out",
        tmp_path / "index",
        "--encoder",
        "hog",
        "--clusters",
        3,
    ]
    assert command(*build)[0] == 0
    assert command("probe", tmp_path / "index", "--out", tmp_path / "probe")[0] == 0
    data = (tmp_path / "probe").read_bytes()
    assert b'\\"name\\":\\"hog\\"' in data
    texts = tmp_path / "texts.jsonl"
    texts.write_text(json.dumps({"text": "no image"}))
    np.save(tmp_path / "x.npy", np.ones((3, 72), np.float32))
    for private in (texts, tmp_path / "x.npy"):
        answer = [
            "answer",
            tmp_path / "probe",
            "--data",
            private,
            "--epsilon",
            1,
            "--ledger",
            tmp_path / "ledger",
        ]
        status, _, error = command(*answer, "--out", tmp_path / "r")
        assert status == 1 and "bug" not in error, error
        assert spent(tmp_path / "ledger") == 0
    (tmp_path / "private" / "0.png").write_bytes(b"not an image")
    answer = [
        "answer",
        tmp_path / "probe",
        "--data",
        tmp_path / "private",
        "--epsilon",
        1,
        "--ledger",
        tmp_path / "ledger",
    ]
    assert command(*answer, "--strict", "--out", tmp_path / "r")[0] == 1
    assert spent(tmp_path / "ledger") == 0
    status, _, error = command(*answer, "--out", tmp_path / "r")
    assert status == 0 and "1 without a vote" in error and "0.png" in error


@pytest.mark.parametrize(
    "arguments", [["--budget", "0"], ["--budget", "-3"], ["--budget", "5", "--strategy", "best"]]
)
def test_impossible_selections(ready, command, arguments):
    status, _, error = command(
        "select", ready / "index", ready / "release", *arguments, "--out", ready / "proxy"
    )
    assert status == 1 and "bug" not in error
    assert not (ready / "proxy").exists()


def test_nothing_is_overwritten(ready, command):
    select = ["select", ready / "index", ready / "release", "--budget", 5, "--out", ready / "proxy"]
    assert command(*select)[0] == 0
    before = {path: path.read_bytes() for path in (ready / "proxy").rglob("*") if path.is_file()}
    assert command(*select)[0] == 0  # the same again: what is there
    select[select.index(5)] = 6
    status, _, error = command(*select)
    assert status == 1 and "holds another proxy set" in error
    assert {path: path.read_bytes() for path in (ready / "proxy").rglob("*") if path.is_file()} == before


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a full disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(ready, command, small_disk):
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(os.urandom(4096))
    answer = ["answer", ready / "probe", "--data", ready / "private.npy", "--epsilon", 1]
    for step in (
        ["index", "build", ready / "pool.npy", "--out", small_disk / "again", "--clusters", 10],
        ["probe", ready / "index", "--out", small_disk / "probe"],
        ["select", ready / "index", ready / "release", "--budget", 5, "--out", small_disk / "proxy"],
        [*answer, "--ledger", small_disk / "ledger", "--out", ready / "r"],
    ):
        status, _, error = command(*step)
        assert status == 1 and ("No space left" in error or "full" in error), error
        assert "bug" not in error
    left = {path.name for path in small_disk.rglob("*") if path.is_file()}
    assert not left & {"manifest.json", "probe", "card.json", "selection.parquet"}
    assert not (ready / "r").exists()


def test_debug_shows_a_traceback(command, tmp_path):
    program = [sys.executable, "-c", "from proxyset.cli import main; main()"]
    plain = subprocess.run([*program, "index", "info", tmp_path], capture_output=True, text=True, check=False)
    debug = subprocess.run(
        [*program, "index", "info", tmp_path, "--debug"], capture_output=True, text=True, check=False
    )
    assert plain.returncode == debug.returncode == 1
    assert "Traceback" not in plain.stderr and "Traceback" in debug.stderr
