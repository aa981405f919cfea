"""Eight processes at one ledger. PROXYSET_REQUESTS sets how many requests each makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Cap, Ledger

ROOT = Path(__file__).parents[2]
PROCESSES = 8
REQUESTS = int(os.environ.get("PROXYSET_REQUESTS", "12"))


@pytest.mark.slow
def test_never_past_the_cap_and_no_deadlock(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite", cap=Cap(1.0))
    cost = privacy_statement(0.1).rho
    room = int((ledger.cap_rho() or 0) / cost)
    shared = min(5, REQUESTS)
    assert 0 < room < shared + PROCESSES * (REQUESTS - shared)  # the cap will be hit
    command = [sys.executable, "-m", "tests.client.crowding", str(ledger.path)]
    crowd = [
        subprocess.Popen(
            [*command, str(i), str(REQUESTS), str(shared)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for i in range(PROCESSES)
    ]
    found = [json.loads(process.communicate(timeout=280)[0]) for process in crowd]
    assert all(process.returncode == 0 for process in crowd)

    ledger.verify()
    assert ledger.spent() <= (ledger.cap_rho() or 0)
    assert ledger.account().debits == room  # and not one short of it
    assert sum(e.kind == "release" for e in ledger.entries()) == room
    outcomes = [one["outcomes"] for one in found]
    assert sum(o.get("answered", 0) + o.get("refused", 0) for o in outcomes) == PROCESSES * REQUESTS
    releases: dict[str, set[str]] = {}
    for one in found:
        for probe, release in one["releases"].items():
            releases.setdefault(probe, set()).add(release)
    assert all(len(answers) == 1 for answers in releases.values())  # everybody got the same answer to a probe
    assert len(releases) == room


def test_eight_processes_begin_one_ledger(tmp_path: Path) -> None:
    code = "import sys; from proxyset.client.ledger import Ledger; print(Ledger.open(sys.argv[1]).entries()[0].hash)"
    path = tmp_path / "new" / "ledger.sqlite"
    crowd = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    assert len({process.communicate(timeout=100)[0] for process in crowd}) == 1
    assert len(Ledger.open(path).entries()) == 1
