"""The neighbour fuzzer: data sets that differ in one unit, through the shipped path up to the gate.

    python -m tests.fuzz.neighbours --pairs 1000000 --workers 2 [--log FILE]

The promise is about pairs: D, and D′ = D plus or minus one unit (a record, or a person with all their records), or with one unit
replaced. For each pair the question's exact votes are computed as `gate` does, and

- votes may differ by no more than the statement says, in ℓ2, draw by draw; counts in whole numbers, without a tolerance;
- where persons have many records, what one who comes or goes moves is what this person's records count without all others;
- both are answered, or both refused with the same error and the same words;
- for a share of the pairs the whole answer is made, with a ledger: the messages have one size.

A *kind* is a form of data (`FORMS`: arrays, files, folders) with what is encoded (`DOMAINS`); those of `PERSONS` are about persons
alone, with up to 60 records each, in one place or in many, within the bound and beyond it. A *world* is one question and one
D of a kind; many units, most of them hostile, are added, removed and replaced in it. All choices come from one seed, so a
violation is found again by its kind, seed and number.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.fuzz.forms import FORMS
from tests.fuzz.worlds import (
    NOTHING,
    Rng,
    World,
    company,
    difference,
    make_world,
    neighbour,
    outcome,
    said,
    shape,
)

PAIRS_A_WORLD = 50
PAIRS_AT_AN_EDGE = 10  # where D itself is rare
PERSONS = ("memory embedding persons", "memory table persons", "csv table persons")
COUNTED = ("pairs", "refused", "voted", "answers", "hostile")


@dataclass
class Result:
    """What was run, and what was wrong."""

    pairs: Counter[str] = field(default_factory=Counter)  # by kind
    refused: Counter[str] = field(default_factory=Counter)  # both, with the same words
    voted: Counter[str] = field(default_factory=Counter)  # some record of D has a vote
    answers: Counter[str] = field(default_factory=Counter)
    hostile: Counter[str] = field(default_factory=Counter)  # by what was added
    wrong: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, what)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, other: Result) -> None:
        for name in (*COUNTED, "wrong"):
            getattr(self, name).update(getattr(other, name))
        for key, example in other.examples.items():
            self.examples.setdefault(key, example)


def kinds() -> list[str]:
    """All kinds: "csv table", "array embedding" …"""
    return [f"{form} {domain}" for form in FORMS for domain in FORMS[form].domains] + [*PERSONS]


def fuzz(
    kind: str,
    pairs: int,
    seed: int,
    *,
    only: str | None = None,
    without: tuple[str, ...] = (),
    answer_every: int = 0,
    stop_at_first: bool = False,
) -> Result:
    """Run so many pairs of a kind.

    Args:
        only, without: the one kind of hostile unit to add, or those not to.
        answer_every: make the whole answer for every so many pairs; 0 for none.
        stop_at_first: stop at the first violation.
    """
    result, done, world_number = Result(), 0, 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while done < pairs:
            rng = np.random.default_rng([seed, world_number])
            world = make_world(kind, rng, Path(folder) / "data")
            most = PAIRS_AT_AN_EDGE if world.domain.crowd > 1 else PAIRS_A_WORLD
            count = min(
                most, pairs - done, max(10, pairs // 10)
            )  # ten worlds at least, where there are pairs for them
            where = f"seed {seed}, world {world_number}"
            _fuzz_world(world, kind, rng, count, result, where, only, without, answer_every, Path(folder))
            done, world_number = done + count, world_number + 1
            if stop_at_first and result.wrong:
                break
    return result


def _fuzz_world(
    world: World, kind: str, rng: Rng, count: int, result: Result, where: str,
    only: str | None, without: tuple[str, ...], answer_every: int, folder: Path,
) -> None:  # fmt: skip
    before = outcome(world, world.base)
    ledger = folder / f"ledger{len(list(folder.glob('ledger*.sqlite')))}.sqlite"
    said_before = None
    for number in range(count):
        other, what = neighbour(world, rng, only, without)
        if not world.base or not other:
            if NOTHING in without:
                continue
            what = NOTHING
        after = outcome(world, other)
        problem = difference(world.question, before, after)
        if problem is None and world.crowded:
            problem = company(world, other, before, after)
        if problem is None and answer_every and result.pairs[kind] % answer_every == 0:
            said_before = said_before or said(world, world.base, ledger)
            now = said(world, other, ledger)
            result.answers[kind] += 1
            if said_before != now or (not isinstance(after, str) and not now.endswith(" bytes")):
                problem = f"the answer is {said_before} for D and {now} for D′"
        result.pairs[kind] += 1
        result.hostile[what] += 1
        result.refused[kind] += isinstance(before, str) and problem is None
        result.voted[kind] += not isinstance(before, str) and bool(before.any())
        if problem is not None:
            result.wrong[kind, what] += 1
            example = f"{where}, pair {number}: {shape(world)}; {what}: {problem}"
            result.examples.setdefault((kind, what), example[:2000])


# how much of a run each kind gets: what lies in memory is a hundred times faster than files and pictures
def shares() -> dict[str, float]:
    weights = {kind: FORMS[kind.split()[0]].weight * _COST.get(kind.split()[1], 1.0) for kind in kinds()}
    total = sum(weights.values())
    return {kind: weight / total for kind, weight in weights.items()}


_COST = {"orthogonal": 0.15, "hog": 0.1, "onnx": 0.1, "wordllama": 0.2, "hub": 0.2, "table": 0.3}


@dataclass(frozen=True)
class Chunk:
    """A part of a run, done by one process: its number is its seed."""

    number: int
    kind: str
    pairs: int
    without: tuple[str, ...] = ()


def chunks(pairs: int) -> list[Chunk]:
    """A run, cut up; kinds take turns, so that a run that is stopped has seen all of them."""
    size = max(PAIRS_A_WORLD, min(2000, pairs // 500))
    queues: list[list[int]] = []
    names = list(shares())
    for kind in names:
        wanted = max(1, round(pairs * shares()[kind]))
        queues.append([min(size, wanted - start) for start in range(0, wanted, size)])
    turns = sorted(
        ((place + 0.5) / len(queue), number, count)
        for number, queue in enumerate(queues)
        for place, count in enumerate(queue)
    )
    return [Chunk(place, names[number], count) for place, (_, number, count) in enumerate(turns)]


def _work(chunk: Chunk) -> tuple[Chunk, Result]:
    every = (
        500 if chunk.kind.split()[0] in ("array", "memory") else 100
    )  # one that waits for the disk twice takes 0.2 s
    return chunk, fuzz(chunk.kind, chunk.pairs, chunk.number, without=chunk.without, answer_every=every)


def _recorded(log: Path | None, pairs: int) -> tuple[Result, set[int]]:
    """What an earlier run of as many pairs left in the log."""
    result, numbers = Result(), set[int]()
    for line in log.read_text().splitlines() if log and log.exists() else []:
        entry = json.loads(line)
        if entry["of"] == pairs:
            numbers.add(entry["number"])
            result.add(
                Result(
                    *(Counter(entry[name]) for name in COUNTED),
                    Counter({(kind, what): count for kind, what, count, _ in entry["wrong"]}),
                    {(kind, what): example for kind, what, _, example in entry["wrong"]},
                )
            )
    return result, numbers


def _record(log: Path, pairs: int, chunk: Chunk, result: Result) -> None:
    wrong = [(*key, count, result.examples[key]) for key, count in result.wrong.items()]
    entry = {"of": pairs, "number": chunk.number, "wrong": wrong}
    entry |= {name: getattr(result, name) for name in COUNTED}
    with log.open("a") as file:
        file.write(json.dumps(entry) + "\n")


def table(result: Result) -> str:
    """The result by kind, and an example of each violation."""
    lines = [
        "| kind | pairs | of them D has votes | both refused | whole answers | violations |",
        "|---|---|---|---|---|---|",
    ]
    wrong = Counter[str]()
    for (kind, _), count in result.wrong.items():
        wrong[kind] += count
    for kind in (*result.pairs, "all"):
        columns = (result.pairs, result.voted, result.refused, result.answers, wrong)
        cells = [column.total() if kind == "all" else column[kind] for column in columns]
        lines.append(f"| {kind} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    lines += [f"\n{kind}, {what} ({count}): {result.examples[kind, what]}"
              for (kind, what), count in sorted(result.wrong.items())]  # fmt: skip
    return "\n".join(lines)


def progress(done: Iterator[tuple[Chunk, Result]], total: Result, pairs: int, log: Path | None) -> None:
    began = told = time.monotonic()
    for chunk, result in done:
        total.add(result)
        if log:
            _record(log, pairs, chunk, result)
        if (now := time.monotonic()) - told > 15:
            told = now
            sys.stderr.write(
                f"{now - began:.0f} s: {total.pairs.total():,} pairs of {len(total.pairs)} kinds, "
                f"{total.wrong.total()} violations\n"
            )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fuzz neighbouring data sets.")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", action="append", help="only this kind; may be given more than once")
    parser.add_argument(
        "--log", type=Path, help="write each finished part here; what is there is not run again"
    )
    parser.add_argument("--seconds", type=float, default=math.inf, help="start no new part after so long")
    given = parser.parse_args(arguments)
    total, before = _recorded(given.log, given.pairs)
    work = [chunk for chunk in chunks(given.pairs) if chunk.number not in before]
    if given.kind:
        work = [chunk for chunk in work if chunk.kind in given.kind]
    stop = time.monotonic() + given.seconds
    began = time.monotonic()
    timely = (chunk for chunk in work if time.monotonic() < stop)
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # the processes' own; more would stand in each other's way
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.workers, context) as pool:  # which says so when a process dies
        done: Iterator[tuple[Chunk, Result]] = _in_time(pool, timely, given.workers)
        progress(done, total, given.pairs, given.log)
    took = time.monotonic() - began
    sys.stdout.write(
        f"{total.pairs.total():,} pairs in {took:.0f} s with {given.workers} workers\n\n{table(total)}\n"
    )
    return 1 if total.wrong else 0


def _in_time(
    pool: ProcessPoolExecutor, work: Iterator[Chunk], workers: int
) -> Iterator[tuple[Chunk, Result]]:
    """Results in order, with no more parts under way than processes: a generator decides when to stop."""
    under_way = [pool.submit(_work, chunk) for chunk, _ in zip(work, range(2 * workers), strict=False)]
    while under_way:
        yield under_way.pop(0).result()
        if (chunk := next(work, None)) is not None:
            under_way.append(pool.submit(_work, chunk))


if __name__ == "__main__":
    sys.exit(main())
