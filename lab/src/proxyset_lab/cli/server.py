"""The server under load, killed, with many releases and with a large pool (Linux); docs/service.md has the figures."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyset.errors import ProxysetError

if TYPE_CHECKING:
    from proxyset_lab.service.load import Load


def load(
    clients: Annotated[int, typer.Option(help="All at the same time.", min=1)] = 1000,
    campaigns: Annotated[int, typer.Option(help="New ones for every round.", min=1)] = 1,
    rounds: Annotated[int, typer.Option(help="Of ours and the echo, in turns.", min=1)] = 11,
    servers: Annotated[
        int,
        typer.Option(
            help="More than one: behind nginx with TLS, on PostgreSQL, and one of them alone.", min=1
        ),
    ] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(help="Resident memory over so many minutes instead of rates.", show_default=False),
    ] = None,
) -> None:
    """Requests a second and p99 of the server, beside a bare echo; or, with --minutes, its memory under load.

    Example: proxyset-lab load --minutes 10 --clients 150
    """
    if minutes is None:
        _rates(clients, campaigns, rounds, servers)
    else:
        _memory(clients, minutes)


def kill(
    times: Annotated[int, typer.Option(help="How often something is killed.", min=1)] = 50,
    clients: Annotated[int, typer.Option(help="All at the same time.", min=1)] = 200,
    servers: Annotated[
        int,
        typer.Option(help="More than one: behind nginx with TLS, on PostgreSQL, which is killed too.", min=1),
    ] = 1,
) -> None:
    """kill -9 under load: fails when an acknowledged release is lost, or one is stored twice.

    Example: proxyset-lab kill --times 30 --servers 2
    """
    from proxyset_lab.service.kill import kill_again_and_again

    tally = kill_again_and_again(times, clients=clients, servers=servers)
    _say(", ".join(f"{count} kills of the {part}" for part, count in sorted(tally.kills.items())))
    _say(f"{len(tally.acknowledged):,} releases acknowledged, {tally.unanswered} requests sent again")
    found = f"{tally.lost} lost, {tally.doubled} doubled"
    if tally.integrity:
        found += f"; integrity {tally.integrity}"
    _say(f"{tally.stored:,} stored, {found}")
    if tally.lost or tally.doubled or tally.integrity not in ("", "ok"):
        raise ProxysetError(f"the servers did not survive their kills: {found}")


def siege(
    minutes: Annotated[float, typer.Option(help="How long.", min=0.1, max=60)] = 10.0,
    share: Annotated[float, typer.Option(help="Of the 428 attackers.", min=0.01, max=1)] = 1.0,
) -> None:
    """Memory of a server under attack, and how long a client waits meanwhile: silent and idle connections, slow and large bodies,
    large heads.

    Example: proxyset-lab siege --minutes 10
    """
    from proxyset_lab.service.load import growth
    from proxyset_lab.service.siege import besiege

    found = besiege(minutes, share)
    times = sorted(found.times)
    early, late = growth([(at, mib) for at, mib, _ in found.samples])
    _say(", ".join(f"{count:,} x {name}" for name, count in found.attacks.items()))
    _say(
        f"resident: {early:.1f} MiB in the second quarter, {late:.1f} MiB in the last ({late / early - 1:+.1%})"
    )
    most = max(mib for _, mib, _ in found.samples)
    _say(f"at most {most:.1f} MiB and {max(count for _, _, count in found.samples):,} descriptors")
    middle, last = times[len(times) // 2], times[int(0.99 * len(times))]
    _say(
        f"the client: {len(times):,} requests, {found.failures} not answered, median {middle:.3f} s, p99 {last:.3f} s"
    )


def combine(
    releases: Annotated[
        list[int] | None, typer.Option(help="Releases of a campaign; may be repeated.", min=1)
    ] = None,
    clusters: Annotated[int, typer.Option(help="Counts of each.", min=1)] = 1_000,
) -> None:
    """Time and peak memory of combining all releases of a campaign, by rule.

    Example: proxyset-lab combine --releases 10 --releases 10000
    """
    from proxyset_lab.service.combine import costs, fill

    for count in releases or [10, 1_000, 10_000]:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), count, clusters)
            for rule, cost in costs(Path(folder)).items():
                _say(
                    f"{count:>7,} releases of {clusters:,} counts, {rule:6s}: {cost.seconds:,.2f} s, "
                    f"{cost.core_seconds:,.2f} core-seconds, {cost.mib:,.0f} MiB"
                )


def look(items: Annotated[int, typer.Option(help="Size of the pool.", min=1)] = 1_000_000) -> None:
    """What the operator's page takes to look at a large pool, first and again after a restart.

    Example: proxyset-lab look --items 1000000
    """
    from proxyset_lab.service.look import looks

    with tempfile.TemporaryDirectory() as folder:
        for name, one in zip(("first", "again"), looks(Path(folder), items), strict=True):
            _say(
                f"{items:,} items, {name}: {one.seconds:.3f} s, {one.core_seconds:.3f} core-seconds, {one.mib:,.0f} MiB"
            )


def _rates(clients: int, campaigns: int, rounds: int, servers: int) -> None:
    from proxyset_lab.service.load import compare

    found = compare(clients, campaigns, rounds, servers)
    for loads in found:
        _say("; ".join(_words(name, load) for name, load in loads.items()))
    for ours in (name for name in found[0] if name != "echo"):
        for figure in ("rate", "core_rate", "p99"):
            ratios = [getattr(loads[ours], figure) / getattr(loads["echo"], figure) for loads in found]
            least, most = min(ratios), max(ratios)
            _say(
                f"{ours}, {figure}: {statistics.median(ratios):.2f} of the echo's ({least:.2f} to {most:.2f})"
            )
    _say(f"{sum(load.errors for loads in found for load in loads.values())} errors")


def _memory(clients: int, minutes: float) -> None:
    from proxyset_lab.service.load import growth, memory

    samples, requests, errors = memory(clients, minutes)
    early, late = growth(samples)
    _say(f"{minutes:g} minutes, {requests:,} requests, {errors} errors")
    _say(
        f"resident: {early:.1f} MiB in the second quarter, {late:.1f} MiB in the last ({late / early - 1:+.1%})"
    )


def _words(name: str, load: Load) -> str:
    return f"{name} {load.rate:,.0f}/s, {load.core_rate:,.0f} a core-second, p99 {1000 * load.p99:,.0f} ms"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
