"""kill -9 while answering. PROXYSET_KILLS sets how many; the default keeps the suite short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("PROXYSET_KILLS", "40"))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["counts", "labels"])
def test_no_kill_releases_more_than_was_debited(tmp_path: Path, what: str) -> None:
    command = [sys.executable, "-m", "tests.client.crashing", str(tmp_path), str(KILLS), what]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["kills"] == KILLS, found
    assert found["sent"] == found["sent_probes"], found  # one answer a probe, however often it was asked for
    assert found["sent_but_not_stored"] == 0, found
    assert found["drawn_more_than_debited"] == 0, found
    assert found["stored_more_than_once"] == 0, found
    assert 0 < found["debited_without_release"] < found["debits"], found  # the kills did hit the gap
