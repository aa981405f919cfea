"""The neighbour fuzzer: data sets that differ in one unit, through the shipped path up to the gate.

    python -m tests.fuzz.neighbours --pairs 1000000 --workers 2 [--log FILE]

The promise is about pairs: D, and D′ = D plus or minus one unit (a record, or a person with all their records), or with one unit
replaced. For each pair the question's exact votes are computed as `gate` does, and

- votes may differ by no more than the statement says, in ℓ2, draw by draw;
- both are answered, or both refused with the same error and the same words;
- for a share of the pairs the whole answer is made, with a ledger: the messages have one size.

A *kind* is a form of data (`FORMS`: arrays, files, folders) with what is encoded (`DOMAINS`). A *world* is one question and one
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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from proxyset.client.answer import Counts
from proxyset.client.gate import Gate, Question
from proxyset.client.labeling import LabelVotes, Voting
from proxyset.client.labels import label_reader
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.private_data import Data, Labels, PrivateData, open_private
from proxyset.client.terms import Terms
from proxyset.sources.private import PrivateFiles
from proxyset.wire.probe import Probe
from proxyset.wire.questions import Questions
from tests.fuzz.domains import CLASSES, DOMAINS, Domain
from tests.fuzz.forms import FORMS, Form, Layout, Record

PAIRS_A_WORLD = 50
PAIRS_AT_AN_EDGE = 10  # where D itself is rare
COUNTED = ("pairs", "refused", "voted", "answers", "hostile")
Rng = np.random.Generator
ORDINARY, REMOVED, NOTHING = "ordinary", "removed", "no records"


@dataclass(frozen=True)
class Unit:
    """What is added or removed at once: one record, or all records of one person."""

    records: tuple[Record, ...]
    what: str


@dataclass
class World:
    """One question, one D, and where it lies."""

    question: Question[Any]
    terms: Terms
    domain: Domain
    form: Form
    layout: Layout
    labels: Labels | None
    base: list[Unit]
    folder: Path

    def open(self, units: list[Unit]) -> PrivateData:
        data, labels = self.written(units)
        if isinstance(data, PrivateFiles):
            reader = label_reader(labels, CLASSES) if labels is not None else None
            return PrivateData(data, self.domain.encoder, self.terms.person, reader, "ward 3")
        return open_private(data, self.domain.encoder, self.terms.person, labels, "ward 3", CLASSES)

    def written(self, units: list[Unit]) -> tuple[Data | PrivateFiles, Labels | None]:
        records = [record for unit in units for record in unit.records]
        data, names = self.form.write(records, self.layout, self.folder)
        if self.labels == "mapping":  # an id that is there twice has one label, that of the record in D
            found = {name: record.label or "" for name, record in zip(names, records, strict=True)}
            known = {record.id: record.label or "" for unit in self.base for record in unit.records}
            return data, found | {name: label for name, label in known.items() if name in found}
        return data, self.labels


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
    return [f"{form} {domain}" for form in FORMS for domain in FORMS[form].domains]


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
            example = f"{where}, pair {number}: {_shape(world)}; {what}: {problem}"
            result.examples.setdefault((kind, what), example[:2000])


def make_world(kind: str, rng: Rng, folder: Path) -> World:
    """A question and a D, drawn."""
    form_name, domain_name = kind.split()
    form, domain = FORMS[form_name], DOMAINS[domain_name](rng)
    person = form.person if form.person and rng.random() < 0.4 else None
    ways = [way for way in form.labels if not (person and way == "folder")]
    edge = domain.crowd > 1
    labels = str(rng.choice(ways)) if ways and rng.random() < (0.1 if edge else 0.4) else None
    terms = Terms(
        epsilon=0.05,
        unit="person" if person else "record",
        max_records=int(rng.integers(1, 4)) if person else 1,
        person=person,
        adjacency="replace-one" if rng.random() < 0.25 else "add-remove",
        encoder=domain.encoder,
    )
    question = _counts(domain, terms, rng) if labels is None else _labels(domain, terms, rng)
    layout = form.layout(domain, rng)
    world = World(question, terms, domain, form, layout, labels, [], folder)
    # a product of one row, of two and of many are rounded in three ways
    likely = [0.04, 0.4, 0.26, 0.1, 0.1, 0.1] if edge else [0.08, 0.12, 0.1, 0.25, 0.3, 0.15]
    size = int(rng.choice([0, 1, 2, 5, 12, 30], p=likely))
    size *= domain.crowd if size > 2 and rng.random() < 0.5 else 1
    persons = [f"p{number}" for number in range(max(1, size // 3))]
    units: dict[str, list[Record]] = {}
    for number in range(size):
        name = str(rng.choice(persons)) if person else str(number)
        record = Record(domain.ordinary(rng), name, _label(rng), f"r{number}")
        units.setdefault(name, []).append(record)
    world.base = [Unit(tuple(records), ORDINARY) for records in units.values()]
    return world


def _counts(domain: Domain, terms: Terms, rng: Rng) -> Question[Any]:
    centroids, projection, dtype = domain.geometry(rng)
    probe = Probe.build(centroids, domain.encoder.spec, "a" * 64, dtype=dtype, projection=projection)  # type: ignore[arg-type]
    return Counts.of(probe, terms)


def _labels(domain: Domain, terms: Terms, rng: Rng) -> Question[Any]:
    X = domain.questions(rng)
    ids = [f"public/{number}" for number in range(len(X))]
    questions = Questions.build(X, ids, CLASSES, domain.encoder.spec, index="a" * 64, proxy="b" * 64)
    if rng.random() < 0.5:
        voting = Voting("bounded-votes", int(rng.integers(1, len(X) + 1)))
    else:
        voting = Voting("private-knn", int(rng.integers(1, 9)), screening=float(rng.choice([0.0, 0.5])))
    return LabelVotes.of(questions, terms, voting)


def _label(rng: Rng) -> str:
    return str(rng.choice(CLASSES))


def neighbour(
    world: World, rng: Rng, only: str | None = None, without: tuple[str, ...] = ()
) -> tuple[list[Unit], str]:
    """D plus, minus or with one unit replaced, and the name of what was done."""
    units = list(world.base)
    replaces = world.terms.adjacency == "replace-one"
    gone = None
    if units and (replaces or (only in (None, REMOVED) and rng.random() < 0.15)):
        gone = int(rng.integers(len(units)))
    if gone is not None:
        del units[gone]
        if not replaces:
            return units, REMOVED
    unit = new_unit(world, rng, only, without)
    units.insert(int(rng.choice([0, len(units), rng.integers(len(units) + 1)])), unit)
    return units, unit.what


def new_unit(world: World, rng: Rng, only: str | None, without: tuple[str, ...]) -> Unit:
    """A unit that is not in D: one record in five is ordinary, the others hostile in one way each."""
    domain, form = world.domain, world.form
    ways = hostile_ways(form, domain, bool(world.terms.person), world.labels is not None)
    names = [name for name in ways if name not in without]
    what = only if only in ways else ORDINARY if rng.random() < 0.2 or not names else str(rng.choice(names))
    count = int(rng.integers(1, 6)) if world.terms.person else 1
    records = [
        Record(domain.ordinary(rng), "newcomer", _label(rng), f"new{number}") for number in range(count)
    ]
    if what != ORDINARY:
        records[0] = ways[what](rng, records[0])
    if records[0].person != "newcomer" or records[0].raw is not None:
        records = records[:1]  # nobody's: a unit by itself
    elif len(records) > 1 and rng.random() < 0.3:
        records[1] = replace(records[0], id=records[1].id)  # twice the same content
    return Unit(tuple(records), what)


Way = Callable[[Rng, Record], Record]


def hostile_ways(form: Form, domain: Domain, persons: bool, labels: bool) -> Mapping[str, Way]:
    """By name, what can be wrong with a record."""
    ways: dict[str, Way] = {}
    for name, make in domain.hostile.items():
        if form.holds(name):
            ways[name] = lambda rng, record, make=make: replace(record, item=make(rng))
    if persons and form.person != "folder":
        ways["no person"] = lambda rng, record: replace(record, person=None if rng.random() < 0.5 else "")
    if labels:
        strange = ["", "zz", "a ", "A", "nan", "x" * 10_000]
        ways["unknown label"] = lambda rng, record: replace(record, label=str(rng.choice(strange)))
        ways["no label"] = lambda rng, record: replace(record, label=None)
    return ways | dict(form.hostile(domain))


Outcome = np.ndarray | str


def outcome(world: World, units: list[Unit]) -> Outcome:
    """The exact votes, or the refusal in words."""
    try:
        return world.question.votes(world.open(units))
    except Exception as error:  # noqa: BLE001 - a crash is an outcome too
        return f"{type(error).__name__}: {error}"


def said(world: World, units: list[Unit], ledger: Path) -> str:
    """What a server sees of the whole answer: its size, or the refusal."""
    try:
        gate = Gate(Ledger.open(ledger, cap=Cap(100)), "https://cloud.example", fresh=True)
        return f"{len(gate.answer(world.question, world.open(units)).to_bytes())} bytes"
    except Exception as error:  # noqa: BLE001 - a crash is an outcome too
        return f"{type(error).__name__}: {error}"


def difference(question: Question[Any], before: Outcome, after: Outcome) -> str | None:
    """What is wrong about a pair; None if nothing is."""
    if isinstance(before, str) or isinstance(after, str):
        if isinstance(before, str) and isinstance(after, str) and before == after:
            return None
        return f"D: {_short(before)}; D′: {_short(after)}"
    moved = after - before
    if isinstance(question, Counts):
        return _exceeds(moved, question.cost.l2_sensitivity, "counts")
    assert isinstance(question, LabelVotes)
    privacy = question.privacy
    found = _exceeds(moved, privacy.voting.l2_sensitivity, "votes")
    if found is None and privacy.rule == "private-knn":  # any questions may be kept
        most = privacy.voting.l2_sensitivity / math.sqrt(len(moved))
        for number, row in enumerate(moved):
            found = found or _exceeds(row, most, f"votes on question {number}")
    if found is None and privacy.screening:
        found = _exceeds(
            after.max(axis=1) - before.max(axis=1), privacy.screening.l2_sensitivity, "screening"
        )
    return found


def _exceeds(moved: np.ndarray, claimed: float, name: str) -> str | None:
    l2 = math.sqrt(int((moved.astype(object) ** 2).sum()))
    return f"{name} move by ℓ2 = {l2:.4g}, {claimed:.4g} is claimed" if l2 > claimed * (1 + 1e-9) else None


def _short(result: Outcome) -> str:
    return result[:300] if isinstance(result, str) else f"votes (sum {int(result.sum())})"


def _shape(world: World) -> str:
    terms, n = world.terms, sum(len(unit.records) for unit in world.base)
    asked = type(world.question).__name__
    return f"{asked}, {terms.unit}, at most {terms.max_records}, {terms.adjacency}, {n} records in D"


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
