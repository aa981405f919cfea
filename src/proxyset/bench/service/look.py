"""What the operator's page takes to look at the pool of a campaign, for the first time and again after a restart (Linux)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from proxyset.bench.memory import CLUSTERS, peak_mib, write_pool
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.server.page.atlases import Atlases


@dataclass(frozen=True)
class Look:
    """One look; `mib` is the process's peak, interpreter and libraries included."""

    seconds: float
    core_seconds: float
    mib: float


def looks(folder: Path, items: int) -> list[Look]:
    """Index a pool of `items` in `folder`, and look at it twice, each time in a new process."""
    write_pool(folder / "pool", items)
    build_index(folder / "pool", folder / "index", encoder="embeddings", clusters=CLUSTERS)
    child = [sys.executable, "-c", "from proxyset.bench.service.look import step; step()", str(folder)]
    said = [subprocess.run(child, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    return [Look(**json.loads(line)) for line in said]


def step() -> None:
    """Look in this process and print what it took."""
    folder = Path(sys.argv[1])
    start, cpu = time.monotonic(), time.process_time()
    Atlases(folder / "atlases").of(Index.open(folder / "index"))
    found = {
        "seconds": time.monotonic() - start,
        "core_seconds": time.process_time() - cpu,
        "mib": peak_mib(),
    }
    sys.stdout.write(json.dumps(found) + "\n")
