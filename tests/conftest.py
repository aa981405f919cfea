import json
import signal
import sys

import hypothesis
import numpy as np
import pytest

from proxyset.cli import run
from proxyset.demo.cache import load
from proxyset.demo.digits import DIGITS_SMALL

# A shell starts what it puts into the background with SIGINT ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup does the same with SIGHUP
# how long an example takes says something of the machine that day, and nothing of the code
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items):
    """Files with long tests first, so that no worker begins one when the others are done (`--no-loadscope-reorder`)."""
    long = {
        item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")
    }
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    """No test touches the user's ledger."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def program():
    """The command line that `command` runs."""
    return run


@pytest.fixture
def command(capsys, program):
    """Run one command in this process: command("index", "build", …) → (exit status, JSON line or None, standard error)."""

    def call(*arguments):
        capsys.readouterr()
        status = program([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        sys.stdout.write(captured.out)
        sys.stderr.write(captured.err)
        line = (
            captured.out.strip().splitlines()[-1]
            if captured.out.strip() and "--json" in map(str, arguments)
            else None
        )
        return status, json.loads(line) if line else None, captured.err

    return call


@pytest.fixture(scope="session")
def digits():
    """The demo's real data: from the user's cache, or built through pip."""
    return load(DIGITS_SMALL)


@pytest.fixture
def blobs(tmp_path):
    """A pool of 1,200 embeddings in six blobs and private data near two of them, as .npy files."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 8)) * 6
    pool = centres[np.arange(1200) % 6] + rng.normal(size=(1200, 8))
    private = centres[np.arange(400) % 2] + rng.normal(size=(400, 8))
    np.save(tmp_path / "pool.npy", pool.astype(np.float32))
    np.save(tmp_path / "private.npy", private.astype(np.float32))
    return tmp_path
