"""No report is lost or counted twice by kill -9, and the sum is the true one plus the stated noise. PROXYSET_KILLS: how many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("PROXYSET_KILLS", "2"))
SIGMAS = 5.0  # of each of two normal statistics: a false alarm in 900,000 runs


@pytest.mark.slow
def test_kills_of_leader_and_helper(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.server.two_party.killing", str(tmp_path), str(KILLS)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert min(found["killed"].values()) >= KILLS, found
    assert found["lost_or_counted_twice"] == 0, found
    assert abs(found["mean_in_standard_errors"]) < SIGMAS, found
    assert abs(found["variance_in_standard_errors"]) < SIGMAS + 2, (
        found
    )  # few values: its tail is a chi-squared's
