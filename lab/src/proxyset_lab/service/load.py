"""Many clients at once: requests a second and p99 beside a bare ASGI echo of the same sizes, and memory over minutes."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from proxyset_lab.service.driver import all_at_once, cpu_seconds, echo, free_port, resident, running, server
from proxyset_lab.service.fleet import Fleet
from proxyset_lab.service.nginx import balancing
from proxyset_lab.service.postgres import Postgres, new_state


@dataclass(frozen=True)
class Load:
    """One server under load.

    Attributes:
        rate: requests a second.
        core_rate: requests a core-second of the service's processes; what other programs do on the machine disturbs it least.
        p99: seconds.
        errors: answers that were neither 200 nor 201.
    """

    rate: float
    core_rate: float
    p99: float
    errors: int

    @classmethod
    def on(cls, target: Target, stories: list[list[bytes]]) -> Load:
        """Tell all stories at once."""
        before = sum(map(cpu_seconds, target.pids))
        answers, seconds = asyncio.run(all_at_once(target.url, stories, target.trust))
        times = sorted(answer.seconds for answer in answers)
        errors = sum(answer.status not in (200, 201) for answer in answers)
        used = sum(map(cpu_seconds, target.pids)) - before
        return cls(len(answers) / seconds, len(answers) / used, times[int(0.99 * len(times))], errors)


@dataclass(frozen=True)
class Target:
    """A service to load: what it is called, whom to trust for its certificate, and its processes."""

    url: str
    trust: Path | None
    pids: tuple[int, ...]


def compare(clients: int, campaigns: int, rounds: int, servers: int = 1) -> list[dict[str, Load]]:
    """The loads of ours and of an echo, by name, for each round, in turns. Each round, every client pulls a probe and pushes a
    release to `campaigns` new campaigns; all at the same time. The requests were made and signed beforehand, as agents make them.

    Args:
        servers: 1 compares one server on SQLite with an echo. More are compared, on one PostgreSQL and behind nginx with TLS, with
            one of them behind nginx, and with one echo behind nginx; then the core-seconds are those of nginx and database too.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place: Path | str = Path(folder) / "state"
        base = None
        if servers > 1:
            place, base = stack.enter_context(new_state(Path(folder) / "files"))
        fleet = Fleet.enrolled(place, clients, 3 * campaigns * rounds)
        targets = _targets(Path(folder), fleet, servers, base, stack)
        numbers = iter(range(3 * campaigns * rounds))
        for _ in range(rounds):
            loads = {}
            for name, target in targets.items():
                these = [next(numbers) for _ in range(campaigns)]
                stories = [fleet.story(client, iter(these), target.url) for client in range(clients)]
                loads[name] = Load.on(target, stories)
            found.append(loads)
    return found


def _targets(
    folder: Path, fleet: Fleet, servers: int, base: Postgres | None, stack: ExitStack
) -> dict[str, Target]:
    bare = stack.enter_context(running(echo(len(fleet.probe.data))))
    ours = [
        stack.enter_context(running(server(fleet.place, 0, "--proxies", "127.0.0.1"))) for _ in range(servers)
    ]
    if base is None:
        return {
            "echo": Target(bare.url, None, (bare.pid,)),
            "ours": Target(ours[0].url, None, (ours[0].pid,)),
        }
    targets = {}
    for name, behind in {"echo": [bare], "one server": ours[:1], f"{servers} servers": ours}.items():
        ports = [int(each.url.rpartition(":")[2]) for each in behind]
        front = stack.enter_context(balancing(folder / name.replace(" ", "-"), free_port(), ports))
        pids = (front.pid, *(each.pid for each in behind), *(() if behind == [bare] else (base.pid,)))
        targets[name] = Target(front.url, front.trust, pids)
    return targets


def memory(clients: int, minutes: float, pause: float = 1.0) -> tuple[list[tuple[float, float]], int, int]:
    """Resident MiB of the server by seconds, requests, and errors, while clients pull and push again and again."""
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet.enrolled(Path(folder) / "state", clients, 1)
        samples: list[tuple[float, float]] = []
        requests = errors = 0
        bodies = [fleet.release(client).to_bytes() for client in range(clients)]
        with running(server(fleet.place)) as ours:
            begin = time.monotonic()
            while (at := time.monotonic() - begin) < 60 * minutes:
                stories = [
                    [fleet.pull(client, 0, ours.url), fleet.push(client, 0, ours.url, body)]
                    for client, body in enumerate(bodies)
                ]
                answers, _ = asyncio.run(all_at_once(ours.url, stories))
                requests += len(answers)
                errors += sum(answer.status not in (200, 201) for answer in answers)
                samples.append((at, resident(ours.pid)))
                time.sleep(pause)
        return samples, requests, errors


def growth(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Median MiB in the second quarter and in the last: by then nonces expire as fast as they come."""
    quarter = max(1, len(samples) // 4)
    early = statistics.median(mib for _, mib in samples[quarter : 2 * quarter] or samples)
    return early, statistics.median(mib for _, mib in samples[-quarter:])
