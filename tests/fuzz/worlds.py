"""One question, one D and its neighbours: how the neighbour fuzzer makes them, and what is wrong with a pair."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from proxyset.wire.release import CELLS
from tests.fuzz.domains import CLASSES, DOMAINS, Domain
from tests.fuzz.forms import FORMS
from tests.fuzz.records import Form, Layout, Record

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
    crowded: bool = False  # persons have many records

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


def make_world(kind: str, rng: Rng, folder: Path) -> World:
    """A question and a D, drawn."""
    form_name, domain_name, *persons_only = kind.split()
    form, domain = FORMS[form_name], DOMAINS[domain_name](rng)
    crowded = bool(persons_only)
    person = form.person if form.person and (crowded or rng.random() < 0.4) else None
    ways = [] if crowded else [way for way in form.labels if not (person and way == "folder")]
    edge = domain.crowd > 1
    labels = str(rng.choice(ways)) if ways and rng.random() < (0.1 if edge else 0.4) else None
    terms = Terms(
        epsilon=0.05,
        unit="person" if person else "record",
        max_records=int(2 ** rng.uniform(0, 11 if crowded else 2)) if person else 1,
        person=person,
        adjacency="replace-one" if rng.random() < 0.25 else "add-remove",
        encoder=domain.encoder,
    )
    question = _counts(domain, terms, rng) if labels is None else _labels(domain, terms, rng)
    layout = form.layout(domain, rng)
    world = World(question, terms, domain, form, layout, labels, [], folder, crowded)
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
    count = int(rng.integers(1, 61 if world.crowded else 6)) if world.terms.person else 1
    records = [
        Record(domain.ordinary(rng), "newcomer", _label(rng), f"new{number}") for number in range(count)
    ]
    if what != ORDINARY:
        records[0] = ways[what](rng, records[0])
    if world.crowded and rng.random() < 0.5:  # many in one place
        records = [replace(record, item=records[0].item) for record in records]
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
        cost = question.cost
        square, most = (
            sum(step * step for step in moved.tolist()),
            CELLS[cost.adjacency] * cost.grid**2 * cost.max_records,
        )
        return f"counts move by ℓ2² = {square}, {most} is claimed" if square > most else None
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


def company(world: World, other: list[Unit], before: Outcome, after: Outcome) -> str | None:
    """What is wrong with what the units count that only one of the two has, by themselves; None if nothing is."""
    parts = [[unit for unit in here if not any(unit is known for known in there)]
             for here, there in ((other, world.base), (world.base, other))]  # fmt: skip
    came, gone = (outcome(world, units) for units in parts)
    if any(isinstance(found, str) for found in (before, after, came, gone)):
        return None  # `difference` has seen to it
    moved, alone = after - before, came - gone
    return (
        None
        if (moved == alone).all()
        else f"counts move by {moved.tolist()}, alone they are {alone.tolist()}"
    )


def _exceeds(moved: np.ndarray, claimed: float, name: str) -> str | None:
    l2 = math.sqrt(int((moved.astype(object) ** 2).sum()))
    return f"{name} move by ℓ2 = {l2:.4g}, {claimed:.4g} is claimed" if l2 > claimed * (1 + 1e-9) else None


def _short(result: Outcome) -> str:
    return result[:300] if isinstance(result, str) else f"votes (sum {int(result.sum())})"


def shape(world: World) -> str:
    terms, n = world.terms, sum(len(unit.records) for unit in world.base)
    asked = type(world.question).__name__
    return f"{asked}, {terms.unit}, at most {terms.max_records}, {terms.adjacency}, {n} records in D"
