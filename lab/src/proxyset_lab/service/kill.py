"""kill -9 the server under load, again and again: no acknowledged release may be lost, none stored twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from proxyset.errors import TransportError
from proxyset.server.state import FILE, State
from proxyset.wire.release import Release
from proxyset.wire.signing import public_half
from proxyset_lab.service.driver import Connection, serving
from proxyset_lab.service.fleet import Fleet

_LINES = 16  # connections at once


@dataclass
class Tally:
    """What happened.

    Attributes:
        kills: how often the server was killed.
        acknowledged: releases that were answered with 200 or 201, as (campaign, client, fingerprint).
        unanswered: requests that a kill cut off; each was sent again.
        lost: acknowledged releases that are not in the state.
        doubled: clients with two releases in one campaign, or releases stored twice.
        stored: releases in the state.
        integrity: SQLite's own verdict, "ok".
    """

    kills: int = 0
    acknowledged: set[tuple[str, str, str]] = field(default_factory=set)
    unanswered: int = 0
    lost: int = 0
    doubled: int = 0
    stored: int = 0
    integrity: str = ""


@dataclass(frozen=True)
class _Sending:
    client: int
    campaign: int
    release: Release

    def request(self, fleet: Fleet, url: str) -> bytes:
        return fleet.push(self.client, self.campaign, url, self.release.to_bytes())

    def row(self, fleet: Fleet) -> tuple[str, str, str]:
        key = public_half(fleet.keys[self.client])
        return f"campaign-{self.campaign}", key, self.release.fingerprint


def kill_again_and_again(times: int, seconds: float = 1.5, clients: int = 200) -> Tally:
    """Post releases on 16 connections, kill the server after a moment, start it again, and so on.

    Args:
        times: how many kills.
        seconds: the longest a server lives under load; its end is random.
        clients: each answers one campaign after another.
    """
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet.enrolled(Path(folder) / "state", clients, 1 + 10 * times)
        work = ((client, campaign) for campaign in range(1 + 10 * times) for client in range(clients))
        again: list[_Sending] = []
        for _ in range(times):
            with serving(fleet.folder) as (url, process):
                asyncio.run(_under_load(fleet, url, work, again, tally, process.pid, seconds))
            tally.kills += 1
        with serving(fleet.folder) as (url, _):  # what was cut off is sent once more
            asyncio.run(_under_load(fleet, url, iter(()), again, tally, None, seconds))
        _judge(fleet.folder, tally)
    return tally


async def _under_load(
    fleet: Fleet,
    url: str,
    work: Iterator[tuple[int, int]],
    again: list[_Sending],
    tally: Tally,
    pid: int | None,
    seconds: float,
) -> None:
    """Send until the server is killed, or, without a `pid`, until all is sent. What had no answer ends up in `again`."""

    async def line() -> None:
        try:
            connection = await Connection.to(url)
        except OSError:
            return
        while True:
            sending = again.pop() if again else _next(fleet, work)
            if sending is None:
                break
            try:
                answer = await connection.send(sending.request(fleet, url))
            except (OSError, EOFError):
                again.append(sending)
                tally.unanswered += 1
                break
            if answer.status not in (200, 201):
                raise TransportError(f"the server answered {answer.status}")
            tally.acknowledged.add(sending.row(fleet))
        await connection.close()

    lines = [asyncio.create_task(line()) for _ in range(_LINES)]
    if pid is not None:
        await asyncio.sleep(random.uniform(0.05, seconds))
        os.kill(pid, signal.SIGKILL)
    await asyncio.gather(*lines)


def _next(fleet: Fleet, work: Iterator[tuple[int, int]]) -> _Sending | None:
    at = next(work, None)
    return _Sending(*at, fleet.release(at[0])) if at else None


def _judge(folder: Path, tally: Tally) -> None:
    state = State.open(folder)
    stored = [
        (release.campaign, release.client, release.fingerprint)
        for campaign in state.campaigns()
        for release in state.releases(campaign.id)
    ]
    state.close()
    tally.stored = len(stored)
    tally.lost = len(tally.acknowledged - set(stored))
    tally.doubled = 2 * len(stored) - len({each[:2] for each in stored}) - len({each[::2] for each in stored})
    with closing(sqlite3.connect(folder / FILE)) as db:
        (tally.integrity,) = db.execute("PRAGMA integrity_check").fetchone()
