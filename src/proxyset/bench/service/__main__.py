"""python -m proxyset.bench.service load|memory|kill|combine|look"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from proxyset.bench.service.combine import costs, fill
from proxyset.bench.service.kill import kill_again_and_again
from proxyset.bench.service.load import Load, compare, growth, memory
from proxyset.bench.service.look import looks


def main() -> None:
    """Run one measurement and print what docs/service.md quotes."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", help="requests a second and p99, beside a bare echo")
    load.add_argument("--clients", type=int, default=1000)
    load.add_argument("--campaigns", type=int, default=1)
    load.add_argument("--rounds", type=int, default=11)
    load.add_argument("--signed", action="store_true", help="a signature for every request, not a code")
    longer = commands.add_parser("memory", help="resident memory under load")
    longer.add_argument("--clients", type=int, default=300)
    longer.add_argument("--minutes", type=float, default=10)
    killing = commands.add_parser("kill", help="kill -9 under load")
    killing.add_argument("--times", type=int, default=50)
    combining = commands.add_parser("combine", help="time and peak memory of combining a campaign's releases")
    combining.add_argument("--releases", type=int, nargs="+", default=[10, 1_000, 10_000])
    combining.add_argument("--clusters", type=int, default=1_000)
    looking = commands.add_parser("look", help="what the page takes to look at a large pool")
    looking.add_argument("--items", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if arguments.command == "load":
        _load(arguments.clients, arguments.campaigns, arguments.rounds, arguments.signed)
    elif arguments.command == "memory":
        samples, requests, errors = memory(arguments.clients, arguments.minutes)
        early, late = growth(samples)
        _say(f"{arguments.minutes:g} minutes, {requests:,} requests, {errors} errors")
        _say(
            f"resident: {early:.1f} MiB in the second quarter, {late:.1f} MiB in the last ({late / early - 1:+.1%})"
        )
    elif arguments.command == "combine":
        for releases in arguments.releases:
            _combine(releases, arguments.clusters)
    elif arguments.command == "look":
        _look(arguments.items)
    else:
        tally = kill_again_and_again(arguments.times)
        _say(f"{tally.kills} kills of the server, {tally.keepers} of a keeper")
        _say(f"{len(tally.acknowledged):,} releases acknowledged, {tally.unanswered} requests cut off")
        _say(
            f"{tally.stored:,} stored, {tally.lost} lost, {tally.doubled} doubled; integrity {tally.integrity}"
        )
        if tally.lost or tally.doubled or tally.integrity != "ok":
            sys.exit(1)


def _load(clients: int, campaigns: int, rounds: int, signed: bool) -> None:
    found = compare(clients, campaigns, rounds, signed)
    for ours, bare in found:
        _say(f"{_words('ours', ours)}; {_words('echo', bare)}")
    for name in ("rate", "core_rate", "p99"):
        ratios = [getattr(ours, name) / getattr(bare, name) for ours, bare in found]
        _say(
            f"{name}: {statistics.median(ratios):.2f} of the echo's ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    _say(f"{sum(ours.errors for ours, _ in found)} errors")


def _combine(releases: int, clusters: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), releases, clusters)
        for cost in costs(Path(folder)):
            _say(
                f"{releases:>7,} releases of {clusters:,} counts, {cost.rule:6s}: {cost.seconds:,.2f} s, "
                f"{cost.core_seconds:,.2f} core-seconds, {cost.mib:,.0f} MiB"
            )


def _look(items: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, look in zip(("first", "again"), looks(Path(folder), items), strict=True):
            _say(
                f"{items:,} items, {name}: {look.seconds:.3f} s, {look.core_seconds:.3f} core-seconds, {look.mib:,.0f} MiB"
            )


def _words(name: str, load: Load) -> str:
    return f"{name} {load.rate:,.0f}/s, {load.core_rate:,.0f} a core-second, p99 {1000 * load.p99:,.0f} ms"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
