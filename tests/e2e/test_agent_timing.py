"""What a real server sees of when an agent asks and sends, by its own log."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from proxyset.client.ledger import Ledger
from tests.e2e.serving import PROGRAM, enrolled, kill, until
from tests.e2e.timing import RECORDS, watched

TOLERANCE = 0.4  # seconds, for the noise of a machine that runs other tests; the work differs by more
HOLD = 4.0


def test_the_time_of_sending_does_not_tell_how_much_there_was_to_do(tmp_path: Path) -> None:
    with watched(tmp_path) as server:
        few, many = (server.answer(f"client-{records}", records, HOLD) for records in RECORDS)
    assert many.worked > few.worked + 2 * TOLERANCE, "the data are not slow enough to show anything"
    # a machine that is busy with other tests may take longer than one hold: then it is the next multiple that counts
    assert few.events[-1] == many.events[-1] == "answered"
    for gap in (few, many):
        holds = gap.seconds / HOLD
        assert holds > 0.9 and abs(holds - round(holds)) * HOLD < TOLERANCE, (few, many)


def test_killed_while_it_works_and_started_again(tmp_path: Path) -> None:
    """No request between the probe and the release, which comes at a multiple of the hold after the probe."""
    with watched(tmp_path) as server:
        ledger, data = enrolled(tmp_path, "killed", server.state, server.url), server.data(RECORDS[1])
        command = [
            *PROGRAM,
            "client",
            "run",
            "--data",
            data,
            "--epsilon",
            0.9,
            "--ledger",
            ledger,
            "--hold",
            HOLD,
        ]
        words = [str(word) for word in command]
        folder = ledger.with_name(ledger.name + ".errands")
        first = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        until(lambda: any(folder.glob("*.json")))
        kill(first)
        assert "debit" not in [entry.kind for entry in Ledger.open(ledger).entries()]
        time.sleep(0.7)  # whenever something starts it again
        again = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        try:
            until(lambda: any(what == "POST releases" for _, what in server.requests()))
        finally:
            again.terminate()
            again.wait(timeout=30)
        requests = [(at, what) for at, what in server.requests() if what != "POST enroll"]
    assert [what for _, what in requests][:3] == ["GET campaigns", "GET probe", "POST releases"]
    holds = (requests[2][0] - requests[0][0]) / HOLD
    assert holds > 0.9 and abs(holds - round(holds)) * HOLD < TOLERANCE, holds
