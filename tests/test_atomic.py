"""Files that are whole or not there, and full disks: a process whose files may have 100,000 bytes, and /dev/full."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from proxyset import atomic
from proxyset.cli import main
from proxyset.errors import DiskFull, InvalidInput
from proxyset.server.state import State
from tests.watching import open_to_others, watched

LIMIT = """
import os, resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from proxyset import atomic
from proxyset.errors import DiskFull, StateError
big = np.random.default_rng(0).bytes(600_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
"""


def limited(folder: Path, code: str) -> str:
    """Standard output of `code`, run in `folder` by a process that cannot write a file of more than 100,000 bytes."""
    child = [sys.executable, "-c", LIMIT + code]
    return subprocess.run(child, check=True, capture_output=True, text=True, cwd=folder).stdout


@pytest.mark.parametrize("name", ["out.bin", "{here}/out.bin", "new/out.bin"])
def test_no_room_for_a_file(tmp_path, name):
    name = name.format(here=tmp_path)
    (tmp_path / "new").mkdir()
    (tmp_path / name).write_bytes(b"as it was")
    code = f"try: atomic.write_bytes({name!r}, big)\nexcept DiskFull as error: print(error.errno, error.filename, error)"
    said = limited(tmp_path, code)
    assert said.startswith(f"{errno.EFBIG} {name} {name}: ") and "Make room" in said
    assert (tmp_path / name).read_bytes() == b"as it was"
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    "inside",
    [
        '(folder / "part").write_bytes(big)',
        '(folder / "part").write_text(big.hex())',
        'pq.write_table(pa.table({"x": [big]}), folder / "part.parquet")',
        'atomic.write_bytes(folder / "deep" / "part", big)',
    ],
)
def test_no_room_for_a_folder(tmp_path, inside):
    code = f"try:\n  with atomic.new_folder('made') as folder: {inside}\nexcept DiskFull as error: print(error.filename)"
    assert limited(tmp_path, code) == "made\n"
    assert not list(tmp_path.iterdir())


def test_what_is_full_elsewhere_keeps_its_name(tmp_path):
    code = """
try:
    with atomic.new_folder("made"), atomic.room_for("elsewhere"):
        Path("scratch").write_bytes(big)
except DiskFull as error: print(error.filename)
try:
    with atomic.new_folder("made"): open("missing/file")
except FileNotFoundError as error: print(error.filename)
"""
    assert limited(tmp_path, code) == "elsewhere\nmissing/file\n"


def test_an_error_of_a_full_disk_travels_between_processes():
    error = DiskFull(errno.ENOSPC, "No space left on device", "out")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.errno, again.filename, str(again)) == (
        DiskFull,
        errno.ENOSPC,
        "out",
        str(error),
    )


def test_a_command_names_the_file_that_found_no_room(tmp_path):
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).normal(size=(20_000, 16)).astype(np.float32))
    code = """
from proxyset.cli import run
print(run(["index", "build", "pool.npy", "--out", "index", "--clusters", "5"]), file=sys.stderr)
"""
    child = subprocess.run(
        [sys.executable, "-c", LIMIT + code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    message, status = child.stderr.splitlines()[-2:]
    assert status == "1"
    assert (
        message.startswith("error: ") and "index/shards/000000.parquet: File too large. Make room" in message
    )


def test_standard_output_on_a_full_device(tmp_path):
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32))
    code = f"from {main.__module__} import main; main()"
    with Path("/dev/full").open("wb") as full:
        child = subprocess.run(
            [sys.executable, "-c", code, "index", "build", "pool.npy", "--out", "index", "--clusters", "3"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    assert child.returncode == 1
    assert child.stderr.startswith("error: standard output: No space left on device. Make room")


def test_a_state_on_a_full_disk_says_where_and_stays_whole(tmp_path):
    State.open(tmp_path / "state").close()  # while there is room
    code = """
from proxyset.server.state import State
state, kept = State.open("state"), 0
try:
    while True:
        state.create_token("n" * 200)
        kept += 1
except StateError as error: print(error)
print(kept == len(state.tokens()) > 0)
"""
    message, whole = limited(tmp_path, code).splitlines()
    assert message.startswith(f"the state in {tmp_path}/state could not be written: ")
    assert whole == "True"


def test_a_file_is_replaced_whole(tmp_path):
    atomic.write_bytes(tmp_path / "deep" / "file", b"one")
    with pytest.raises(ZeroDivisionError), atomic.replacing(tmp_path / "deep" / "file") as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert (tmp_path / "deep" / "file").read_bytes() == b"one"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_secret_is_its_owners_from_the_first_byte_on(tmp_path, fails):
    with watched(tmp_path) as seen:
        try:
            with atomic.replacing(tmp_path / "new" / "deep" / "key", atomic.SECRET) as temporary:
                temporary.write_bytes(b"secret")
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert any("partial" in name for name in seen)
    assert open_to_others(seen) == {}
    assert seen["new"] == seen["new/deep"] == {0o700}
    assert (tmp_path / "new" / "deep" / "key").exists() is not fails


def test_a_secret_takes_the_place_of_an_open_file(tmp_path):
    (tmp_path / "key").write_bytes(b"old")
    (tmp_path / "key").chmod(0o644)
    atomic.write_bytes(tmp_path / "key", b"new", atomic.SECRET)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_secret_folder(tmp_path):
    with watched(tmp_path) as seen, atomic.new_folder(tmp_path / "made", atomic.SECRET) as folder:
        (folder / "part").write_bytes(b"x")
    inside = {name for name in seen if name.endswith("/part")}
    assert set(open_to_others(seen)) <= inside  # nobody else gets there
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0o002, 0o664, 0o775)]
)
def test_an_ordinary_file_is_as_the_umask_says(tmp_path, umask, file, folder):
    before = os.umask(umask)
    try:
        atomic.write_bytes(tmp_path / "new" / "file", b"x")
        with atomic.new_folder(tmp_path / "made"):
            pass
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("new/file", "new", "made")]
    assert modes == [file, folder, folder]


def test_the_umask_is_never_touched(tmp_path):
    with watched(tmp_path) as seen:
        atomic.write_bytes(tmp_path / "file", b"x")
        with atomic.new_folder(tmp_path / "made"):
            pass
    assert "umask" not in seen


def test_a_url_never_becomes_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="a URL was given"):
        atomic.write_bytes("s3://bucket/place/file", b"")
    with pytest.raises(InvalidInput, match="a URL was given"), atomic.new_folder("s3://bucket/place"):
        pass
    assert not list(tmp_path.iterdir())
