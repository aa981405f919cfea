"""What it takes to combine all releases of a campaign: time, and peak memory of a process of its own (Linux)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from proxyset.bench.memory import peak_mib
from proxyset.bench.service.fleet import Fleet
from proxyset.cloud.select import RULES, Rule, combine
from proxyset.server import campaigns
from proxyset.server.state import State
from proxyset.server.submission import submission_of
from proxyset.wire.signing import public_half

_CAMPAIGN = "campaign-0"
_BATCH = 200


@dataclass(frozen=True)
class Cost:
    """Of one rule over all releases; `mib` is the process's peak, interpreter and libraries included."""

    rule: Rule
    seconds: float
    core_seconds: float
    mib: float


def fill(folder: Path, releases: int, clusters: int) -> None:
    """A state whose one campaign has so many signed releases of so many counts."""
    fleet = Fleet.enrolled(folder, releases, campaigns=1, clusters=clusters)
    state = State.open(folder)
    campaign = state.campaign(_CAMPAIGN)
    for start in range(0, releases, _BATCH):
        clients = range(start, min(start + _BATCH, releases))
        answers = [(fleet.release(client), public_half(fleet.keys[client])) for client in clients]
        state.store([submission_of(answer, answer.to_bytes(), campaign, key) for answer, key in answers])
    state.close()


def costs(folder: Path) -> list[Cost]:
    """What each rule takes on the state in `folder`."""
    child = [sys.executable, "-c", "from proxyset.bench.service.combine import step; step()", str(folder)]
    found = [
        subprocess.run([*child, rule], check=True, capture_output=True, text=True).stdout for rule in RULES
    ]
    return [Cost(**json.loads(line)) for line in found]


def step() -> None:
    """Combine in this process and print what it took."""
    folder, rule = sys.argv[1:]
    state = State.open(folder, create=False)
    campaign = state.campaign(_CAMPAIGN)
    _, clusters = state.probe_size(campaign.probe)
    start, cpu = time.monotonic(), time.process_time()
    combine(campaigns.releases(state, _CAMPAIGN), campaign.index, clusters, rule=rule)  # type: ignore[arg-type]
    found = {
        "rule": rule,
        "seconds": time.monotonic() - start,
        "core_seconds": time.process_time() - cpu,
        "mib": peak_mib(),
    }
    sys.stdout.write(json.dumps(found) + "\n")
