"""The shipped systemd units start: the real programs, under the filters that the units ask for."""

import ctypes
import json
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest

from proxyset.server.records import Scope
from proxyset.server.state import State
from tests.deploy.confined import LIBRARY, allowed
from tests.e2e.serving import blobs, enrolled, proxyset

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVER, AGENT = DEPLOY / "proxyset.service", DEPLOY / "proxyset-agent.service"


def has_library():
    try:
        return bool(ctypes.CDLL(LIBRARY))
    except OSError:
        return False


pytestmark = pytest.mark.skipif(
    not (shutil.which("systemd-analyze") and has_library()),
    reason="there is no systemd-analyze or no libseccomp",
)


def confined(unit, *arguments):
    program = [sys.executable, "-c", "from proxyset.cli import main; main()", *map(str, arguments)]
    return [sys.executable, "-m", "tests.deploy.confined", str(unit), *program]


@contextmanager
def serving(*arguments):
    command = confined(SERVER, "serve", *arguments, "--port", "0", "--json")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if not line:
        process.wait(30)
        raise AssertionError(f"status {process.returncode}: {process.stderr.read()}")
    yield json.loads(line)["url"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_filter_bites():
    """A call that the units forbid is refused, so the tests below mean something."""
    script = "import os\ntry:\n os.chroot('/')\nexcept PermissionError:\n print('refused')"
    for unit in (SERVER, AGENT):
        command = [sys.executable, "-m", "tests.deploy.confined", str(unit), sys.executable, "-c", script]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "refused\n"
        assert "chroot" not in allowed(unit)


def test_server_and_agent_run_a_campaign_under_their_units_filters(tmp_path):
    index, state = blobs(tmp_path), tmp_path / "state"
    proxyset("campaign", "create", "one", "--index", index, "--budget", 5, "--state", state)
    with serving("--state", state) as url:
        book = State.open(state)
        token = book.accounts.create("ann", list(Scope))
        ledger = enrolled(tmp_path, "north", state, url)
        run = confined(
            AGENT,
            "client",
            "run",
            "--once",
            "--hold",
            0.5,
            "--data",
            tmp_path / "private.npy",
            "--epsilon",
            0.5,
            "--ledger",
            ledger,
        )
        told = subprocess.run(run, capture_output=True, text=True, check=False, timeout=120)
        assert told.returncode == 0, told.stderr
        assert len(book.releases("one")) == 1
        with httpx2.Client(base_url=url, headers={"origin": url}) as browser:
            assert browser.get("/healthz").status_code == 200
            assert browser.post("/page/login", data={"token": token}).status_code == 303
            assert "1,200" in browser.get("/page/campaigns/one").text
        book.close()
    assert np.load(tmp_path / "private.npy").shape == (400, 8)
    assert (state / "state.sqlite").stat().st_mode & 0o077 == 0
