"""kill -9 servers and their database under load, again and again: no acknowledged release may be lost, none stored twice."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Protocol

from proxyset.errors import Rejected, TransportError
from proxyset.server.state import FILE, State
from proxyset.transport.service import Service
from proxyset.wire.signing import public_half
from proxyset_lab.service.driver import free_port, running, server
from proxyset_lab.service.fleet import Fleet
from proxyset_lab.service.nginx import balancing
from proxyset_lab.service.postgres import new_state

_REST = 2.0  # seconds between two campaigns of one agent, at most
_PAUSE = 0.2  # seconds before an agent tries again; a real one waits longer
_PATIENCE = 60.0  # seconds that it tries for


class Part(Protocol):
    """A process, or a family of them."""

    def start(self) -> None:
        """Start it again."""

    def kill(self) -> None:
        """kill -9."""


@dataclass
class Tally:
    """What happened.

    Attributes:
        kills: how often each part was killed.
        acknowledged: releases that were answered with 200 or 201, as (campaign, client, fingerprint).
        unanswered: requests without an answer, or told to come later; each was sent again.
        lost: acknowledged releases that are not in the state.
        doubled: clients with two releases in one campaign, or releases stored twice.
        stored: releases in the state.
        integrity: SQLite's own verdict, "ok"; "" of PostgreSQL, which has none.
    """

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: set[tuple[str, str, str]] = field(default_factory=set)
    unanswered: int = 0
    lost: int = 0
    doubled: int = 0
    stored: int = 0
    integrity: str = ""


def kill_again_and_again(times: int, seconds: float = 1.5, clients: int = 200, servers: int = 1) -> Tally:
    """Agents pull and push by the real transport while one part after another is killed and started again.

    Args:
        times: how many kills; which part is chance.
        seconds: the longest time between two; chance too.
        clients: all at the same time; each answers one campaign after another.
        servers: 1 is a server on SQLite, without TLS. More are behind nginx, with TLS, on one PostgreSQL, which is killed too.
    """
    tally, over = Tally(), Event()
    with (
        tempfile.TemporaryDirectory() as folder,
        _standing(Path(folder), clients, servers, 10 + 2 * times) as stand,
    ):
        with ThreadPoolExecutor(clients) as threads:
            agents = [threads.submit(stand.agent, number, tally, over) for number in range(clients)]
            try:
                for _ in range(times):
                    time.sleep(random.uniform(0.05, seconds))
                    name = random.choice(list(stand.parts))
                    stand.parts[name].kill()
                    tally.kills[name] += 1
                    time.sleep(random.uniform(0, seconds / 2))
                    stand.parts[name].start()
                time.sleep(seconds)
            finally:
                over.set()
        for agent in agents:
            agent.result()
        _judge(stand.fleet.place, tally)
    return tally


@dataclass(frozen=True)
class _Stand:
    """What agents meet, and who they are."""

    fleet: Fleet
    url: str
    trust: Path | None
    parts: dict[str, Part]
    campaigns: int

    def agent(self, number: int, tally: Tally, over: Event) -> None:
        """Answer campaigns until it is over, or there are no more. What was begun is finished."""
        key = self.fleet.keys[number]
        service = Service(self.url, key, self.trust, timeout=10.0)
        for name in (f"campaign-{each}" for each in range(self.campaigns)):
            if over.wait(random.uniform(0, _REST)):
                return
            release, exchange = self.fleet.release(number), service.campaign(name)
            _insist(exchange.pull, tally)
            _insist(partial(exchange.push, release.to_bytes()), tally)
            tally.acknowledged.add((name, public_half(key), release.fingerprint))


@contextmanager
def _standing(folder: Path, clients: int, servers: int, campaigns: int) -> Iterator[_Stand]:
    with ExitStack() as stack:
        parts: dict[str, Part] = {}
        if servers == 1:
            fleet = Fleet.enrolled(folder / "state", clients, campaigns)
            one = parts["server"] = stack.enter_context(running(server(fleet.place, free_port())))
            yield _Stand(fleet, one.url, None, parts, campaigns)
            return
        place, parts["database"] = stack.enter_context(new_state(folder / "files"))
        fleet = Fleet.enrolled(place, clients, campaigns)
        port, ports = free_port(), [free_port() for _ in range(servers)]
        options = ("--proxies", "127.0.0.1", "--public-url", f"https://127.0.0.1:{port}")
        for number, each in enumerate(ports, 1):
            parts[f"server {number}"] = stack.enter_context(running(server(place, each, *options)))
        front = stack.enter_context(balancing(folder / "nginx", port, ports))
        yield _Stand(fleet, front.url, front.trust, parts, campaigns)


def _insist(attempt: Callable[[], object], tally: Tally) -> None:
    """Try until it works; what a server refuses for good is an error."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            attempt()
        except Rejected:
            raise
        except TransportError:
            if time.monotonic() > deadline:
                raise
            tally.unanswered += 1
            time.sleep(_PAUSE)
        else:
            return


def _judge(place: Path | str, tally: Tally) -> None:
    state = State.open(place)
    stored = [
        (release.campaign, release.client, release.fingerprint)
        for campaign in state.campaigns()
        for release in state.releases(campaign.id)
    ]
    state.close()
    tally.stored = len(stored)
    tally.lost = len(tally.acknowledged - set(stored))
    tally.doubled = 2 * len(stored) - len({each[:2] for each in stored}) - len({each[::2] for each in stored})
    if isinstance(place, Path):
        with closing(sqlite3.connect(place / FILE)) as db:
            (tally.integrity,) = db.execute("PRAGMA integrity_check").fetchone()
