"""Many clients at once: requests a second and p99 beside a bare ASGI echo of the same sizes, and memory over minutes."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from proxyset.bench.service.driver import Answer, all_at_once, echoing, serving
from proxyset.bench.service.fleet import Fleet


@dataclass(frozen=True)
class Load:
    """One server under load.

    Attributes:
        rate: requests a second.
        p99: seconds.
        errors: answers that were neither 200 nor 201.
    """

    rate: float
    p99: float
    errors: int

    @classmethod
    def of(cls, answers: list[Answer], seconds: float) -> Load:
        times = sorted(answer.seconds for answer in answers)
        errors = sum(answer.status not in (200, 201) for answer in answers)
        return cls(len(answers) / seconds, times[int(0.99 * len(times))], errors)


def compare(clients: int, campaigns: int, rounds: int) -> list[tuple[Load, Load]]:
    """(ours, echo) for each round, in turns. Each round, every client pulls a probe and pushes a release to `campaigns` new
    campaigns, signed beforehand; all at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet.enrolled(Path(folder) / "state", clients, campaigns * rounds)
        found = []
        with serving(fleet.folder) as (url, _), echoing(len(fleet.probe.data)) as echo:
            for number in range(rounds):
                these = range(number * campaigns, (number + 1) * campaigns)
                stories = [fleet.story(client, iter(these), url) for client in range(clients)]
                bare = Load.of(*asyncio.run(all_at_once(echo, stories)))
                found.append((Load.of(*asyncio.run(all_at_once(url, stories))), bare))
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


def resident(pid: int) -> float:
    """MiB of a process in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def growth(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Median MiB in the second quarter and in the last: by then nonces expire as fast as they come."""
    quarter = max(1, len(samples) // 4)
    early = statistics.median(mib for _, mib in samples[quarter : 2 * quarter] or samples)
    return early, statistics.median(mib for _, mib in samples[-quarter:])
