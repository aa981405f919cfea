"""Many clients at once: requests a second and p99 beside a bare ASGI echo of the same sizes, and memory over minutes."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from proxyset_lab.service.driver import all_at_once, cpu_seconds, echoing, resident, serving
from proxyset_lab.service.fleet import Fleet


@dataclass(frozen=True)
class Load:
    """One server under load.

    Attributes:
        rate: requests a second.
        core_rate: requests a core-second of the server; what other programs do on the machine disturbs it least.
        p99: seconds.
        errors: answers that were neither 200 nor 201.
    """

    rate: float
    core_rate: float
    p99: float
    errors: int

    @classmethod
    def on(cls, url: str, pid: int, stories: list[list[bytes]]) -> Load:
        """Tell all stories at once to the server at `url`, which is process `pid`."""
        before = cpu_seconds(pid)
        answers, seconds = asyncio.run(all_at_once(url, stories))
        times = sorted(answer.seconds for answer in answers)
        errors = sum(answer.status not in (200, 201) for answer in answers)
        used = cpu_seconds(pid) - before
        return cls(len(answers) / seconds, len(answers) / used, times[int(0.99 * len(times))], errors)


def compare(clients: int, campaigns: int, rounds: int) -> list[tuple[Load, Load]]:
    """(ours, echo) for each round, in turns. Each round, every client pulls a probe and pushes a release to `campaigns` new
    campaigns; all at the same time. The requests were made and signed beforehand, as agents make them."""
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet.enrolled(Path(folder) / "state", clients, campaigns * rounds)
        found = []
        with serving(fleet.folder) as (url, process), echoing(len(fleet.probe.data)) as (echo, other):
            for number in range(rounds):
                these = range(number * campaigns, (number + 1) * campaigns)
                stories = [fleet.story(client, iter(these), url) for client in range(clients)]
                bare = Load.on(echo, other.pid, stories)
                found.append((Load.on(url, process.pid, stories), bare))
        return found


def memory(clients: int, minutes: float, pause: float = 1.0) -> tuple[list[tuple[float, float]], int, int]:
    """Resident MiB of the server by seconds, requests, and errors, while clients pull and push again and again."""
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet.enrolled(Path(folder) / "state", clients, 1)
        samples: list[tuple[float, float]] = []
        requests = errors = 0
        bodies = [fleet.release(client).to_bytes() for client in range(clients)]
        with serving(fleet.folder) as (url, process):
            begin = time.monotonic()
            while (at := time.monotonic() - begin) < 60 * minutes:
                stories = [
                    [fleet.pull(client, 0, url), fleet.push(client, 0, url, body)]
                    for client, body in enumerate(bodies)
                ]
                answers, _ = asyncio.run(all_at_once(url, stories))
                requests += len(answers)
                errors += sum(answer.status not in (200, 201) for answer in answers)
                samples.append((at, resident(process.pid)))
                time.sleep(pause)
        return samples, requests, errors


def growth(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Median MiB in the second quarter and in the last: by then nonces expire as fast as they come."""
    quarter = max(1, len(samples) // 4)
    early = statistics.median(mib for _, mib in samples[quarter : 2 * quarter] or samples)
    return early, statistics.median(mib for _, mib in samples[-quarter:])
