"""Real servers and agents in processes of their own, and a certificate for them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from proxyset.agent import enrolment
from proxyset.cli import run
from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key
from proxyset.cloud.build import build_index
from proxyset.server.state import State

PROGRAM = [sys.executable, "-c", "from proxyset.cli import main; main()"]
POLICY = """
unit = "record"
encoders = "any"
most_epsilon = 1.0
[cap]
epsilon = 4.0
delta = 1e-5
"""


def proxyset(*arguments: object, check: int = 0) -> dict[str, Any]:
    """Run one command in this process; its --json line."""
    told = io.StringIO()
    with redirect_stdout(told):
        status = run([*map(str, arguments), "--json"])
    assert status == check, status
    return json.loads(told.getvalue()) if told.getvalue().strip() else {}


@contextmanager
def serving(*arguments: object, stop: bool = True) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """`proxyset serve …` on a free port: what it printed, and its process. It must end cleanly."""
    command = [*PROGRAM, "serve", *map(str, arguments), "--port", "0", "--log-level", "warning", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=30)
        process.stdout.close()
    assert not stop or status in (0, -signal.SIGTERM), status


def blobs(folder: Path, clusters: int = 12) -> Path:
    """An index of 1,200 embeddings in six blobs, and private.npy near two of them; the index's folder."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 8)) * 6
    pool = centres[np.arange(1200) % 6] + rng.normal(size=(1200, 8))
    private = centres[np.arange(400) % 2] + rng.normal(size=(400, 8))
    np.save(folder / "pool.npy", pool.astype(np.float32))
    np.save(folder / "private.npy", private.astype(np.float32))
    build_index(folder / "pool.npy", folder / "index", clusters=clusters)
    return folder / "index"


def enrolled(
    folder: Path, name: str, state: Path, url: str, ca: Path | None = None, policy: str = POLICY
) -> Path:
    """A client's ledger with a key and a policy in force, enrolled at `url`."""
    ledger = Ledger.open(folder / name / "ledger")
    make_key(ledger)
    adopt(ledger, policy.encode())
    book = State.open(state)
    enrolment.enroll(ledger, url, book.create_token(name), ca)
    book.close()
    return ledger.path


def until(true: Any, seconds: float = 60) -> None:
    """Wait for a condition, checked every millisecond."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)


def kill(process: subprocess.Popen[Any]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
