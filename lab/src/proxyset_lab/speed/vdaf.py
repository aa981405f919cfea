"""Speed of verifiable sums: reports per second of one core, against the same proof in plain Python integers.

Each figure is processor time of this process, the best of several runs that alternate with those of
the reference (`plain_prio3`: machine integers of Python, no classes for elements), so that a ratio compares what ran
at the same time on the same machine. An aggregator's figure is all that it does for a report: decode, verify_init,
verifier_shares_to_message, verify_next, agg_update; the mean of leader and helper. `one` verifies report by report, `many` with
verify_init_many.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from threadpoolctl import threadpool_limits

from proxyset.vdaf import Prio3L1BoundSum, Report, best_chunk_length
from proxyset.vdaf.prio3 import Prio3
from proxyset_lab.speed.plain_prio3 import ReferenceFlp

KEY, CTX = bytes(range(32)), b"benchmark"
SIZES = [(100, 1), (100, 1023), (1000, 1), (1000, 1023)]


def print_table(sizes: list[tuple[int, int]], rounds: int) -> None:
    """Print a Markdown table, line by line."""
    write = sys.stdout.write
    write("| R | max | chunk | leader's share | client: plain | client | ratio ")
    write("| aggregator, reports per core-second: plain | one | many | ratio of many |\n")
    write("|---|---|---|---|---|---|---|---|---|---|---|\n")
    with threadpool_limits(1):
        for length, greatest in sizes:
            write(row(length, greatest, rounds))
            sys.stdout.flush()


def row(length: int, greatest: int, rounds: int) -> str:
    """The line of the table for one size."""
    chunk = best_chunk_length((length + 1) * greatest.bit_length())
    fast, plain = (Prio3L1BoundSum(2, length, greatest, chunk) for _ in range(2))
    plain.flp = ReferenceFlp(plain.circuit)
    measurement = [greatest] + [0] * (length - 1)
    client, plain_client = best([lambda: fresh(fast, measurement), lambda: fresh(plain, measurement)], rounds)
    count = max(8, min(400, 200_000 // fast.flp.measurement_length))
    reports = [encoded(fast, measurement) for _ in range(count)]
    one, many, slow = best(
        [
            lambda: aggregator(fast, reports[: count // 4], False),
            lambda: aggregator(fast, reports, True),
            lambda: aggregator(plain, reports[:2], False),
        ],
        rounds,
    )
    one, many, slow = (count // 4) / one, count / many, 2 / slow
    return (
        f"| {length} | {greatest} | {chunk} | {len(reports[0][2][0]) / 1000:.1f} kB "
        f"| {plain_client * 1000:.1f} ms | {client * 1000:.1f} ms | {plain_client / client:.1f} "
        f"| {slow:.0f} | {one:.0f} | {many:.0f} | {many / slow:.1f} |\n"
    )


def fresh(vdaf: Prio3[Any], measurement: list[int]) -> None:
    """What a client does."""
    encoded(vdaf, measurement)


def encoded(vdaf: Prio3[Any], measurement: list[int]) -> tuple[bytes, bytes, list[bytes]]:
    """Nonce, public share and input shares of a new report."""
    nonce = os.urandom(vdaf.NONCE_SIZE)
    public_share, input_shares = vdaf.shard(CTX, measurement, nonce, os.urandom(vdaf.rand_size))
    shares = [vdaf.encode_input_share(share) for share in input_shares]
    return nonce, vdaf.encode_public_share(public_share), shares


def aggregator(vdaf: Prio3[Any], reports: list[tuple[bytes, bytes, list[bytes]]], many: bool) -> float:
    """Seconds of processor time that one aggregator takes for the reports, the mean of leader and helper.

    Each goes by itself as far as it can alone; the deciding, which either or both may do, counts for each of them.
    """
    seconds = 0.0
    verified = []
    for agg_id in (0, 1):
        start = time.process_time()
        decoded = [
            Report(nonce, vdaf.decode_public_share(public), vdaf.decode_input_share(agg_id, shares[agg_id]))
            for nonce, public, shares in reports
        ]
        if many:
            verified.append(list(vdaf.verify_init_many(KEY, CTX, agg_id, decoded)))
        else:
            verified.append(
                [vdaf.verify_init(KEY, CTX, agg_id, r.nonce, r.public_share, r.input_share) for r in decoded]
            )
        seconds += (time.process_time() - start) / 2
    start = time.process_time()
    agg_share = vdaf.agg_init()
    for (state, share), (_, other) in zip(*verified, strict=True):
        message = vdaf.verifier_shares_to_message(CTX, [share, other])
        agg_share = vdaf.agg_update(agg_share, vdaf.verify_next(CTX, state, message))
    return seconds + time.process_time() - start


def best(calls: list[Callable[[], float | None]], rounds: int) -> list[float]:
    """The least processor time of each call, over rounds in which they alternate, after one to warm up."""
    times = [float("inf")] * len(calls)
    for turn in range(rounds + 1):
        for place, call in enumerate(calls):
            start = time.process_time()
            own = call()
            seconds = time.process_time() - start if own is None else own
            if turn:
                times[place] = min(times[place], seconds)
    return times
