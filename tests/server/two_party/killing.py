"""kill -9 of leader and helper while they aggregate; run as a program: killing.py FOLDER KILLS. Tells each kill in a line, and
prints what was found, as JSON.

This process has loaded everything and has no threads, so that both parties are forks of it: they begin in milliseconds, and the
kills hit the work instead of Python's start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.index import Index
from proxyset.discrete_gaussian import sampler
from proxyset.errors import ProxysetError, TransportError
from proxyset.helper.app import create_app
from proxyset.helper.store import KEY, HelperStore
from proxyset.server import campaigns
from proxyset.server.limits import Limits
from proxyset.server.sockets import listen, server_of
from proxyset.server.state import State
from proxyset.server.two_party import store as stores
from proxyset.server.two_party.job import aggregate
from proxyset.server.two_party.store import Sum
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.campaign import Ask
from proxyset.wire.probe import Probe
from proxyset.wire.signing import own_key, public_half
from proxyset.wire.task import Task
from tests.aggregation.tasks import make_report, make_task, random_votes
from tests.server.running import tiny_index

REPORTS, JOB_REPORTS, SIGMAS = 24, 3, 5.0
LIMITS = Limits(address=0)


def fork(work: Callable[[], None]) -> int:
    """A process that does this work; it ends with 0, or 1 when something was raised."""
    if child := os.fork():
        return child
    status = 1
    try:
        work()
        status = 0
    except TransportError:
        pass  # the other one was killed
    except ProxysetError as error:
        sys.stderr.write(f"{error}\n")
        status = 2
    finally:
        os._exit(status)


def help_out(folder: Path, leader: str, port: int) -> None:
    server = server_of(create_app(folder, [leader], REPORTS // 2, limits=LIMITS), LIMITS)
    with listen("127.0.0.1", port) as listener:
        server.run(sockets=[listener])


def lead(folder: Path, name: str, port: int) -> None:
    while True:  # until the helper listens
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.005)
    aggregate(State.open(folder, create=False), name)


def ended(child: int) -> int | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def begin(folder: Path, index: Index, name: str, url: str, helper: str) -> np.ndarray:
    """A closed campaign that has its reports, one of them a liar's; the true sum."""
    state = State.open(folder)
    sums, made = sums_of(state), list[Task]()

    def before(probe: Probe) -> None:
        privacy = privacy_statement(1.0, unit="person", max_records=7, whole_records=True)
        names = {"campaign": name, "probe": probe.fingerprint, "index": probe.index, "privacy": privacy}
        keys = {"leader": public_half(sums.key()), "helper": helper}
        made.append(make_task(R=probe.clusters, most=7, minimum=REPORTS // 2, **names, **keys))
        sums.add(Sum(made[0], url, None))

    campaigns.create(state, name, index, Ask(), budget=10, before=before)
    (task,) = made
    exact = np.zeros(task.clusters, np.int64)
    for number in range(REPORTS):
        votes = random_votes(task, random.getrandbits(32))
        report = make_report(task, votes)
        if number == 0:
            report = make_report(task, votes, leader=bytes(len(report.leader)))
        else:
            exact += votes
        sums.take(report, report.to_bytes(), f"{number:064x}")
    state.close_campaign(name)
    state.close()
    return exact


def main(folder: Path, kills: int) -> dict[str, object]:
    stores.JOB_REPORTS = JOB_REPORTS
    sampler(1, 1.0, 1.0, 1.0)  # OpenDP is loaded before the forks
    folder.mkdir(parents=True, exist_ok=True)
    index, key = tiny_index(folder), own_key(folder / "helper" / KEY)
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    state = State.open(folder / "state")
    leader = public_half(sums_of(state).key())
    killed, noise, sums, wrong, seconds = {"leader": 0, "helper": 0}, [], 0, 0, 0.5
    while min(killed.values()) < kills:
        name = f"sum-{sums}"
        exact = begin(folder / "state", index, name, url, public_half(key))
        begun, quiet = time.monotonic(), sums == 0  # the first shows how long one takes
        while True:
            helper = fork(lambda: help_out(folder / "helper", leader, port))
            leading = fork(lambda name=name: lead(folder / "state", name, port))
            if quiet:
                _, status = os.waitpid(leading, 0)
                assert status == 0
            else:
                time.sleep(random.uniform(0, seconds))
                if (status := ended(leading)) is None:
                    victim = random.choice(["leader", "helper"])
                    killed[victim] += 1
                    kill(leading if victim == "leader" else helper)
                    sys.stderr.write(f"sum {sums}: {victim} killed; so far {killed}\n")
                    if victim == "helper":
                        if (status := ended(leading)) is None:
                            kill(leading)  # it has lost its helper, or waits for one
                        continue
                assert status != 2
            kill(helper)
            if sums_of(state).total(name) is not None:
                break
        if quiet:
            seconds = max(0.1, time.monotonic() - begun)
        helping = HelperStore(folder / "helper", key, REPORTS // 2)
        found, progress = sums_of(state).total(name), sums_of(state).progress(name)
        assert found is not None
        sums += 1
        wrong += {verdict.name: count for verdict, count in progress.verdicts.items()} != {
            "accepted": REPORTS - 1,
            "invalid": 1,
        }
        wrong += helping.reports() != sums * (REPORTS - 1)
        helping.close()
        noise.append((found.counts - exact) / found.noise)
    values = np.concatenate(noise)
    return {
        "killed": killed,
        "sums": sums,
        "reports": sums * REPORTS,
        "lost_or_counted_twice": wrong,
        "mean_in_standard_errors": float(values.mean() * np.sqrt(len(values))),
        "variance_in_standard_errors": float((values.var() - 1) / np.sqrt(2 / len(values))),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
