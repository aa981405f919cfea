"""How long a server waits for an answer, by its own log: agents with little and with much data, in processes of their own.

    python -m tests.e2e.timing --runs 20 --hold 10 --out timing.csv

writes one line a run: records, seconds from the probe's request to the release's, and seconds that the agent worked.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from tests.e2e.serving import PROGRAM, blobs, enrolled, proxyset

RECORDS = (1, 1_000_000)


@dataclass(frozen=True)
class Gap:
    """Of one answer: records behind it, seconds between the two requests, seconds of work, and events that the agent told."""

    records: int
    seconds: float
    worked: float
    events: tuple[str, ...]


@dataclass(frozen=True)
class Watched:
    """A server of campaigns in a process of its own, that writes down when it answered what."""

    folder: Path
    state: Path
    url: str
    log: Path

    def requests(self) -> list[tuple[float, str]]:
        """(seconds since 1970, "METHOD last-part-of-route") of each request so far."""
        lines = [json.loads(line) for line in self.log.read_text().rpartition("\n")[0].splitlines()]
        return [
            (
                datetime.fromisoformat(line["time"]).timestamp(),
                f"{line['method']} {line['route'].rpartition('/')[2]}",
            )
            for line in lines
            if line["event"] == "request"
        ]

    def answer(self, name: str, records: int, hold: float, data: Path | None = None) -> Gap:
        """Have a new client, with so many records, answer; what the server saw of it."""
        data = data or self.data(records)
        ledger = enrolled(self.folder, name, self.state, self.url)
        before = len(self.requests())
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
            "--once",
            "--hold",
            hold,
        ]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
        told = [json.loads(line) for line in done.stderr.splitlines()]
        (worked,) = (line["seconds"] for line in told if line["event"] in ("holding", "late"))
        seen = {what: at for at, what in self.requests()[before:]}
        seconds = seen["POST releases"] - seen["GET probe"]
        return Gap(records, seconds, worked, tuple(line["event"] for line in told))

    def data(self, records: int) -> Path:
        path = self.folder / f"{records}.npy"
        if not path.exists():
            np.save(path, np.random.default_rng(0).normal(size=(records, 8)).astype(np.float32))
        return path


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    index, state, log = blobs(folder, clusters=100), folder / "state", folder / "log"
    proxyset("campaign", "create", "one", "--index", index, "--budget", 50, "--state", state)
    command = [*PROGRAM, "serve", "--state", str(state), "--port", "0", "--json"]
    with log.open("w") as written:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=written, text=True)
        assert process.stdout is not None
        try:
            yield Watched(folder, state, json.loads(process.stdout.readline())["url"], log)
        finally:
            process.terminate()
            process.wait(timeout=30)
            process.stdout.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--hold", type=float, default=10.0)
    options.add_argument("--out", type=Path, default=Path("timing.csv"))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, watched(Path(folder)) as server:
        found = [
            server.answer(f"{records}-{run}", records, chosen.hold)
            for run in range(chosen.runs)
            for records in RECORDS
        ]
    with chosen.out.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("records", "gap", "worked"), *((gap.records, gap.seconds, gap.worked) for gap in found)]
        )
    for records in RECORDS:
        gaps = [gap.seconds for gap in found if gap.records == records]
        work = [gap.worked for gap in found if gap.records == records]
        spread = stdev(gaps) if len(gaps) > 1 else 0.0
        sys.stdout.write(
            f"{records:>9,} records: worked {min(work):.2f} to {max(work):.2f} s; from probe to release {mean(gaps):.3f} s, "
            f"standard deviation {spread:.3f} s, {min(gaps):.3f} to {max(gaps):.3f} s\n"
        )


if __name__ == "__main__":
    main()
