import functools
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import proxyset
from proxyset.cloud import build as build_module
from proxyset.cloud import executor as executor_module
from proxyset.cloud.build import build_index
from proxyset.cloud.executor import LocalExecutor, RayExecutor
from proxyset.cloud.shards import encode_shard
from proxyset.errors import InvalidData, InvalidInput, MissingExtra, ProxysetError


def contents(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def square(number):
    return number * number


def refuse(number):
    raise InvalidData(f"task {number} cannot be done")


def need(number):
    raise MissingExtra("skimage", "hog", "HOG features")


def die_once(folder, number):
    """Task 2 kills its own worker the first time."""
    flag = Path(folder) / "died"
    if number == 2 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def encode_and_die_once(flag, task):
    """The second shard's worker is killed after it has read and before it has written."""
    if task.shard.number == 1 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return encode_shard(task)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_once(workers):
    assert sorted(LocalExecutor(workers).run(square, range(7))) == [0, 1, 4, 9, 16, 25, 36]
    assert list(LocalExecutor(workers).run(square, [])) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_tasks_come_out(workers):
    with pytest.raises(InvalidData, match="cannot be done"):
        list(LocalExecutor(workers).run(refuse, [1, 2]))


def test_a_dead_worker_is_replaced(tmp_path):
    results = LocalExecutor(2).run(functools.partial(die_once, tmp_path), range(6))
    assert sorted(results) == list(range(6))
    assert (tmp_path / "died").exists()


def test_workers_that_always_die_are_given_up():
    with pytest.raises(ProxysetError, match="died 4 times"):
        list(LocalExecutor(2).run(die, [1, 2]))


def test_no_workers():
    with pytest.raises(InvalidInput, match="at least 1"):
        LocalExecutor(0)


@pytest.fixture
def parts(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "parts").mkdir()
    for number in range(4):
        np.save(tmp_path / "parts" / f"{number}.npy", rng.normal(size=(300, 8)).astype(np.float32))
    return tmp_path


def test_a_local_worker_killed_mid_run_changes_no_byte(parts, monkeypatch):
    build_index(parts / "parts", parts / "whole", clusters=5)
    monkeypatch.setattr(build_module, "encode_shard", functools.partial(encode_and_die_once, parts / "flag"))
    build_index(parts / "parts", parts / "killed", clusters=5, executor=LocalExecutor(2))
    assert (parts / "flag").exists()
    assert contents(parts / "killed") == contents(parts / "whole")


@pytest.mark.parametrize("removed", ["parts", "whole/plan.json"])
def test_a_machine_that_does_not_see_the_pool_or_the_index_says_so(parts, removed):
    tasks = []

    class Elsewhere:
        """Sees what is left on this machine's disk when the task comes."""

        def run(self, function, given):
            (parts / removed).rename(parts / "away")
            tasks.extend(given)
            yield from map(function, given)

    with pytest.raises(InvalidInput, match=f"{socket.gethostname()} does not see .*{removed}"):
        build_index(parts / "parts", parts / "whole", clusters=5, executor=Elsewhere())
    assert tasks and not list((parts / "whole").glob("shards/*.parquet"))


def test_two_builds_in_one_folder(parts):
    """The second process is told, and takes nothing away from the first."""

    class Meanwhile:
        def run(self, function, tasks):
            code = "import sys; from proxyset.cloud.build import build_index; build_index(*sys.argv[1:], clusters=5)"
            again = [sys.executable, "-c", code, str(parts / "parts"), str(parts / "whole")]
            other = subprocess.run(again, capture_output=True, text=True, check=False)
            assert f"another process is building in {parts / 'whole'}" in other.stderr
            yield from map(function, tasks)

    index = build_index(parts / "parts", parts / "whole", clusters=5, executor=Meanwhile())
    assert build_index(parts / "parts", parts / "whole", clusters=5).fingerprint == index.fingerprint


def test_a_build_that_failed_here_holds_no_folder(parts):
    class Failing:
        def run(self, function, tasks):
            raise InvalidData("so it is")

    with pytest.raises(InvalidData, match="so it is") as held:  # and its traceback, as a notebook does
        build_index(parts / "parts", parts / "whole", clusters=5, executor=Failing())
    assert held and build_index(parts / "parts", parts / "whole", clusters=5).manifest.items == 1200


def test_a_missing_extra_comes_back_from_a_worker():
    with pytest.raises(MissingExtra, match=r"HOG features need skimage.*proxyset\[hog\]"):
        list(LocalExecutor(2).run(need, [1, 2]))


@pytest.mark.parametrize("address", ["{free}", "nobody.invalid:6379", "ray://{free}"])
def test_an_address_where_no_cluster_is_fails_at_once(address, monkeypatch):
    """If it waited, it would wait longer than any test may take."""
    pytest.importorskip("ray")
    monkeypatch.setattr(executor_module, "_PATIENCE", 3600)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        address = address.format(free=f"127.0.0.1:{held.getsockname()[1]}")
        with pytest.raises(ProxysetError, match=f"no Ray cluster at {address}.*ray start"):
            list(RayExecutor(address).run(square, [1]))


@pytest.mark.slow
def test_an_address_where_something_else_listens_fails(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(executor_module, "_PATIENCE", 2)
    with socket.create_server(("127.0.0.1", 0)) as other:  # takes connections and says nothing
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ProxysetError, match=f"no Ray cluster at {address}: .*within 2 seconds"):
            list(RayExecutor(address).run(square, [1]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_ray_and_a_worker_of_it_killed_mid_run_change_no_byte(parts, monkeypatch):
    """A real Ray cluster of this machine: two worker processes, one of which dies while it has a shard."""
    ray = pytest.importorskip("ray")
    build_index(parts / "parts", parts / "whole", clusters=5)
    # Workers import this module by its name, tests.cloud.test_executor. Its own folder must not be on their path: its
    # `select` would stand before Python's, no worker would start, and Ray would try for ever.
    places = [str(Path(__file__).parents[2]), str(Path(proxyset.__file__).parents[1])]
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(places)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        monkeypatch.setattr(
            build_module, "encode_shard", functools.partial(encode_and_die_once, parts / "flag")
        )
        build_index(parts / "parts", parts / "killed", clusters=5, executor=RayExecutor())
        assert (parts / "flag").exists()
        with pytest.raises(InvalidData, match="cannot be done"):
            list(RayExecutor().run(refuse, [1]))
    finally:
        ray.shutdown()
    assert contents(parts / "killed") == contents(parts / "whole")


def alive(pids):
    """Those that are neither gone nor only waiting to be buried."""
    stats = [Path(f"/proc/{pid}/stat") for pid in pids]
    return [stat for stat in stats if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(tmp_path, number):
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.cloud.interrupted", str(tmp_path)],
        stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    while len(workers := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(child.pid, number)  # as a terminal does
    else:
        child.send_signal(number)
    error = child.communicate(timeout=60)[1]  # a worker that lived would hold standard error open
    assert error.count("Traceback") == (number == signal.SIGINT) and "Process" not in error
    until = time.monotonic() + 20
    while alive(workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(workers)


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(
        "from proxyset.cloud.executor import LocalExecutor\nprint(list(LocalExecutor(2).run(abs, [1, 2])))\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=120, check=False
    )
    # Python's own clean-up may have its say after the error
    assert done.returncode and "needs `if __name__" in done.stderr
