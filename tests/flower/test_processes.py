"""The real thing: a SuperLink and SuperNodes as processes, on loopback only; and Flower's simulation."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.cloud.proxy_set import ProxySet
from proxyset.server.state import State
from proxyset.wire.release import Release
from tests.flower.summing import assert_summed, begin_flower_sum, helper_public
from tests.server.two_party.parties import helping, leader

ROOT = Path(__file__).parents[2]
APP = ROOT / "examples" / "flower"
TWO_PARTY = ROOT / "examples" / "flower-two-party"
PAGE = (ROOT / "docs" / "fleets.md").read_text(encoding="utf-8").partition("## With Flower")[2]
BIN = Path(sys.executable).parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


def said(beginning, *changes):
    """A command of the page, for a shell, with other places and numbers: (what the page says, what we take)."""
    (line,) = [line.strip() for line in PAGE.splitlines() if line.strip().startswith(beginning)]
    for there, here in changes:
        assert line.count(there) == 1, (there, line)
        line = line.replace(there, str(here))
    return ["sh", "-c", f"exec {line}"]


def configured(address):
    """The page's configuration of whoever starts runs."""
    (block,) = [block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[superlink" in block]
    assert block.count("127.0.0.1:8000") == 1
    return block.replace("127.0.0.1:8000", address)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextmanager
def running(command, log, environment):
    """A process in a group of its own; the whole group is gone afterwards."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            for word in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, word)
                except ProcessLookupError:
                    break
                if word is signal.SIGTERM:
                    wait_for(lambda: process.poll() is not None, 5)
            process.wait()


def wait_for(met, seconds):
    until = time.monotonic() + seconds
    while not met() and time.monotonic() < until:
        time.sleep(0.1)
    return met()


@pytest.fixture
def environment(tmp_path):
    """Flower's programs on the path, its own state here, and nothing sent to its makers."""
    source = Path(sys.modules["proxyset"].__file__).parents[1]
    return os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(source),
        "FLWR_HOME": str(tmp_path / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }


def end_all_of(folder):
    """Kill whatever these processes started in groups of their own: all carry this test's FLWR_HOME, nothing else does."""
    mark = f"FLWR_HOME={folder / 'flwr'}\0".encode()
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in place.read_bytes():
                os.kill(int(place.parent.name), signal.SIGKILL)
        except OSError:
            continue  # gone, or not ours to read


@contextmanager
def superlink(folder, environment, *options):
    """Yields its address, ready."""
    port = free_port()
    command = said("flower-superlink", ("--port 8000", " ".join([f"--port {port}", *options])))
    (folder / "flwr").mkdir()
    (folder / "flwr" / "config.toml").write_text(configured(f"127.0.0.1:{port}"))
    try:
        with running(command, folder / "superlink.log", environment):
            assert wait_for(lambda: listens(port), 60), (folder / "superlink.log").read_text()
            yield f"127.0.0.1:{port}"
    finally:
        end_all_of(folder)


def listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def run_campaign(folder, environment, nodes, *options):
    """`flwr run` of the example, until its proxy set is there."""
    changes = [("/srv/index", folder / "index"), ("budget=1000", "budget=60 timeout=90.0")]
    return run_app("flwr run examples/flower ", changes, folder, environment, nodes, *options)


def run_app(beginning, changes, folder, environment, nodes, *options):
    """A `flwr run` of the page, until its proxy set is there."""
    command = said(
        beginning,
        (" campaigns ", " ".join([" campaigns", *options, ""])),
        ("/srv/proxy", folder / "proxy"),
        ("nodes=2", f"nodes={nodes}"),
        *changes,
    )
    started = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert started.returncode == 0, started.stdout + started.stderr
    if not wait_for(lambda: (folder / "proxy" / "card.json").exists(), 120):
        pytest.fail("\n".join(log.read_text()[-4000:] for log in sorted(folder.glob("*.log"))))
    return ProxySet.open(folder / "proxy")


def share_of_the_wanted(proxy):
    return np.mean([int(item) % 6 < 2 for item in proxy.selection().column("id").to_pylist()])


def test_superlink_and_supernodes(fleet, environment):
    """Three nodes: one refuses by policy, two answer, one of them although a record of it gets no vote."""
    folder, _ = fleet
    adopt(Ledger.open(folder / "ledger-1.sqlite"), b'unit = "record"\nencoders = "any"\nmost_epsilon = 0.1')
    spoilt = np.load(folder / "private-2.npy")
    spoilt[77] = np.nan
    np.save(folder / "private-2.npy", spoilt)
    with superlink(folder, environment) as address:
        nodes = []
        for number in range(3):
            command = said(
                "flower-supernode",
                ("127.0.0.1:8000", f"{address} --port {free_port()}"),
                ("/srv/owner/node.toml", folder / f"node-{number}.toml"),
            )
            nodes.append(running(command, folder / f"node-{number}.log", environment))
        with nodes[0], nodes[1], nodes[2]:
            proxy = run_campaign(folder, environment, 3)
    assert proxy.card.combined == "robust"
    assert len(proxy.card.releases) == 2
    assert share_of_the_wanted(proxy) > 0.6
    sent = [Release.from_bytes(path.read_bytes()) for path in (folder / "proxy.releases").iterdir()]
    assert {one.fingerprint for one in sent} == set(proxy.card.releases)
    for number, spent in enumerate([sent[0].privacy.rho, 0, sent[0].privacy.rho]):
        assert Ledger.open(folder / f"ledger-{number}.sqlite").spent() == pytest.approx(spent)
    for number, why in ((1, "Refused"), (2, "without a vote")):
        assert why in (folder / f"node-{number}.log").read_text()
        assert why not in (folder / "superlink.log").read_text()


@pytest.mark.thorough
def test_simulation(fleet, environment):
    """Flower's simulation engine runs the same apps, a settings file each."""
    folder, _ = fleet
    environment["PROXYSET_FLOWER_SETTINGS"] = str(folder / "node-{partition}.toml")
    with superlink(folder, environment, "--simulation"):
        simulated = "num-supernodes=4 init-args-num-cpus=2 client-resources-num-cpus=1"
        proxy = run_campaign(folder, environment, 4, "--federation-config", f"'{simulated}'")
    assert len(proxy.card.releases) == 4
    assert share_of_the_wanted(proxy) > 0.6


@pytest.mark.thorough  # test_two_party.py runs the same apps in one process
def test_two_parties_in_simulation(fleet, environment):
    """Flower's engine carries the reports of three nodes that accept two-party sums; the fourth does not."""
    folder, index = fleet
    state = State.open(folder / "state")
    environment["PROXYSET_FLOWER_SETTINGS"] = str(folder / "node-{partition}.toml")
    with helping(folder / "helper", leader(state)) as url:
        exact = begin_flower_sum(state, folder, index, url, helper_public(folder), accepting=3)
        with superlink(folder, environment, "--simulation"):
            simulated = "num-supernodes=4 init-args-num-cpus=2 client-resources-num-cpus=1"
            changes = [("/srv/state", folder / "state"), ('phones"', 'phones" timeout=90.0')]
            options = ("--federation-config", f"'{simulated}'")
            beginning = "flwr run examples/flower-two-party "
            proxy = run_app(beginning, changes, folder, environment, 4, *options)
    assert_summed(state, exact, 3)
    assert proxy.card.items == 10
    assert not Ledger.open(folder / "ledger-3.sqlite").spent()


def test_the_example_asks_for_what_a_campaign_has():
    from proxyset.flower.server_app import Campaign
    from proxyset.flower.two_party import Carried

    project = tomllib.loads((APP / "pyproject.toml").read_text())
    assert project["project"]["dependencies"] == []  # what it names, a registry is asked for
    config = project["tool"]["flwr"]["app"]["config"]
    assert Campaign.of_run(config).nodes == 2
    project = tomllib.loads((TWO_PARTY / "pyproject.toml").read_text())
    assert project["project"]["dependencies"] == []
    assert Carried.of_run(project["tool"]["flwr"]["app"]["config"]).nodes == 2
