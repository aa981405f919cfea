"""proxyset client show: what is asked, before anything is read or spent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from proxyset.agent.inbox import Ask
from proxyset.agent.needs import Column
from proxyset.agent.page.question import Question, examine
from proxyset.agent.page.settings import Settings
from proxyset.cli import options
from proxyset.cli.output import emit
from proxyset.client.ledger import Ledger, default_path
from proxyset.client.policy import in_force
from proxyset.client.private_data import ME
from proxyset.client.terms import Terms
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT, Probe
from proxyset.wire.questions import Questions, question_of

USUAL_EPSILON = 0.58  # the paper's
_SIGNS = {"good": "fine", "bad": "in the way", "ask": "up to you"}
_SHOWN = 12  # values of a category, in words


def show(
    file: Annotated[Path, typer.Argument(metavar="PROBE", help="File of a probe, or of questions.")],
    ledger: options.LedgerFile = None,
    server: options.Asker = "",
    epsilon: Annotated[
        float | None,
        typer.Option(help="Of the answer; the most that your policy allows, up to 0.58.", show_default=False),
    ] = None,
    records: options.Records = None,
    delta: options.Delta = 1e-5,
    unit: Annotated[
        options.Unit | None,
        typer.Option(help="What is protected; your policy's, else record.", show_default=False),
    ] = None,
    max_records: Annotated[
        int | None,
        typer.Option(
            help="m: one person's votes count up to a length of √m records; your policy's, else 1.",
            show_default=False,
        ),
    ] = None,
    adjacency: Annotated[
        options.Adjacency | None,
        typer.Option(help="Which data sets are neighbours; your policy's.", show_default=False),
    ] = None,
    encoder: options.EncoderOption = None,
    json: options.Json = False,
) -> None:
    """What a probe, or questions, ask for: purpose, columns and types, size, cost, worth. Nothing is read or spent.

    Example: proxyset client show probe.safetensors --records 500
    """
    message = opened(file)
    with _book(ledger) as (book, there):
        policy, _ = in_force(book)
        protected = unit or (policy.unit if policy else "record")
        terms = Terms(
            epsilon or min(USUAL_EPSILON, policy.most_epsilon if policy else USUAL_EPSILON),
            delta,
            protected,
            max_records or (policy.max_records if policy else 1),
            ME if protected == "person" else None,  # no record is read, so that whose it is changes nothing
            adjacency or (policy.adjacency if policy else "add-remove"),
            encoder,
        )
        settings = Settings("", terms, dataset="")
        ask = Ask(
            kind="probe" if isinstance(message, Probe) else "questions",
            probe=message.fingerprint,
            server=server,
            url="",
            agent=False,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            size=len(message.data),
        )
        question = examine(book, ask, message, settings, terms.epsilon, records)
    book_words = f"your ledger {book.path}" if there else "a new ledger, since you have none yet"
    lines = [*_asked(file, message, question), *_costs(question, book_words), *_worth(question)]
    lines += [f"{_SIGNS[check.verdict]}: {check.words}" for check in question.checks]
    emit(_facts(message, question), "\n".join(lines), json)


def opened(file: Path) -> Probe | Questions:
    """A probe or questions, whichever the file holds.

    Raises:
        ArtifactError: neither.
    """
    return question_of(read_message(file, "probe", PROBE_LIMIT))


@contextmanager
def _book(path: Path | None) -> Iterator[tuple[Ledger, bool]]:
    """The ledger and True; where the owner has none yet, one as it would begin, gone afterwards, and False."""
    if path or default_path().exists():
        yield Ledger.open(path, create=False), True
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Ledger.open(Path(folder) / "ledger.sqlite"), False


def _asked(file: Path, message: Probe | Questions, question: Question) -> list[str]:
    encoder = message.encoder
    purpose = f"“{message.purpose}”, in the words of whoever asks" if message.purpose else "none was given"
    lines = [f"{file}: {len(message.data):,} bytes, {message.fingerprint}", f"purpose: {purpose}"]
    if isinstance(message, Probe):
        points = "centroids, which are no items and cannot be looked at"
        if message.medoids:
            points = f"real items of a public collection of {message.medoids.items:,}"
            points += (
                " (proxyset client look shows them)"
                if message.medoids.contents
                else ", of which only names came along"
            )
        lines += [
            f"asked for: {message.clusters:,} counts, one for each of its {message.clusters:,} reference points: {points}",
            f"what would leave: {message.clusters:,} whole numbers with noise, about {8 * message.clusters + 900:,} bytes",
        ]
    else:
        lines += [
            f"asked for: which of {len(message.classes):,} classes each of {len(message):,} public items is in, by votes of "
            f"your labeled records; the items {'came along' if message.contents else 'did not come along'}",
            f"classes: {', '.join(message.classes[:60])}" + _more(len(message.classes) - 60),
            f"what would leave: {len(message):,} labels, about {2 * len(message) + 2000:,} bytes",
        ]
    lines.append(f"what would be read: {question.needs.words}")
    lines += [_column(column) for column in question.needs.columns]
    lines.append(f"encoder: {encoder.name}, {encoder.dim:,} features, fingerprint {encoder.fingerprint}")
    return lines


def _column(column: Column) -> str:
    if column.lowest is not None:
        told = f"from {column.lowest:.6g} to {column.highest:.6g}, beyond that the bound"
        empty = "told apart" if column.missing else "taken for the middle"
    else:
        told = f"{', '.join(column.values[:_SHOWN])}{_more(len(column.values) - _SHOWN)}, or other"
        empty = "told apart" if column.missing else "in no category"
    return f"  {column.name}: {column.kind}: {told}; empty cells are {empty}"


def _more(number: int) -> str:
    return f" and {number:,} more" if number > 0 else ""


def _costs(question: Question, book: str) -> list[str]:
    cost, draw = question.cost, question.whole
    lines = [
        f"cost: ε = {cost.epsilon:g} at δ = {cost.delta:g} for {draw.protects} ({draw.adjacency}), ρ = {cost.rho:.4g}; noise of "
        f"σ = {draw.noise:.4g} on every count"
    ]
    for share in question.shares:
        whose = f"the cap of {share.name}" if share.name else "the whole budget"
        after = share.spent + share.cost
        left = f"{max(0.0, 1 - after / share.cap):.0%} left then" if share.fits else "it does not fit"
        lines.append(
            f"  of {whose} in {book}: {share.spent / share.cap:.0%} is spent, this takes {share.cost / share.cap:.0%}, {left}"
        )
    return lines


def _worth(question: Question) -> list[str]:
    amount = len(question.asked) if isinstance(question.asked, Questions) else 0
    return [
        f"worth, with about {one.records:,} records: the noisy counts point at {one.captured:.0%} of them; without asking "
        f"you, {one.without:.0%}"
        for one in question.worth
    ] + [
        f"worth, with about {number:,} labeled records: {plan.answered:,.0f} of {amount:,} items get a label if all "
        f"votes on each agree, {plan.by_noise:,.0f} by noise alone"
        for number, plan in question.plans
    ]


def _facts(message: Probe | Questions, question: Question) -> dict[str, Any]:
    encoder = message.encoder
    facts: dict[str, Any] = {
        "what": question.ask.kind,
        "fingerprint": message.fingerprint,
        "bytes": len(message.data),
        "purpose": message.purpose,
        "index": message.index,
        "encoder": {"name": encoder.name, "dim": encoder.dim, "fingerprint": encoder.fingerprint},
        "needs": asdict(question.needs),
        "privacy": question.cost.model_dump(),
        "budget": [asdict(share) | {"fits": share.fits} for share in question.shares],
        "checks": [asdict(check) for check in question.checks],
    }
    if isinstance(message, Probe):
        points = {None: "centroids", False: "names", True: "items"}
        came = None if message.medoids is None else message.medoids.contents is not None
        worth: list[dict[str, Any]] = [asdict(one) for one in question.worth]
        return facts | {"clusters": message.clusters, "points": points[came], "worth": worth}
    worth = [
        {"records": number, "answered": plan.answered, "by_noise": plan.by_noise}
        for number, plan in question.plans
    ]
    return facts | {"items": len(message), "classes": message.classes, "worth": worth}
