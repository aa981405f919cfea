"""proxyset client label … (the owner) and label ask|collect (the cloud): noisy votes of private records label public items."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from proxyset import atomic
from proxyset.cli import options
from proxyset.cli.confirm import Strict, confirming
from proxyset.cli.label_options import (
    FolderNames,
    LabelColumn,
    LabelsFile,
    Lead,
    Neighbours,
    RuleOption,
    Screening,
    labels_of,
)
from proxyset.cli.output import emit
from proxyset.client.gate import Gate
from proxyset.client.label_plan import ENOUGH, plan_labels
from proxyset.client.label_privacy import DEFAULT_LEAD, DEFAULT_RULE, label_statement
from proxyset.client.labeling import Voting, label_items
from proxyset.client.ledger import Ledger
from proxyset.client.terms import Terms
from proxyset.cloud.index import Index
from proxyset.cloud.label_questions import ask_labels, collect_labels
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.store import place, write_bytes
from proxyset.errors import InvalidInput
from proxyset.jobs.label_files import Origin, write_labels
from proxyset.jobs.labels import Answer
from proxyset.wire.files import read_message
from proxyset.wire.questions import ABSTAINED, LABELS_LIMIT, QUESTIONS_LIMIT, LabelRelease, Questions

app = typer.Typer(no_args_is_help=True, help="Label public items with noisy votes of your labeled records.")


def ask(
    proxy: options.ProxyFolder,
    index: Annotated[str, typer.Option(help="The index it was drawn from, or its URL.")],
    out: Annotated[str, typer.Option(help="File of the questions, or its URL.")],
    classes: Annotated[
        str | None,
        typer.Option(
            help="Labels to choose from, with commas; those that the pool names.", show_default=False
        ),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="Ask about the first ones only.", show_default=False)
    ] = None,
    purpose: Annotated[str, typer.Option(help="What to tell the owner.")] = "",
    items: Annotated[
        bool,
        typer.Option("--items/--no-items", help="Whether pictures and texts travel, for the owner to see."),
    ] = True,
    json: options.Json = False,
) -> None:
    """The cloud: write questions about a proxy set.

    Example: proxyset label ask proxy --index index --classes cat,dog --out questions.safetensors
    """
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    asked = ask_labels(
        Index.open(index), ProxySet.open(proxy), classes=names, budget=budget, purpose=purpose, items=items
    )
    write_bytes(place(out), asked.to_bytes())
    facts = {
        "questions": str(out),
        "fingerprint": asked.fingerprint,
        "items": len(asked),
        "classes": asked.classes,
        "bytes": len(asked.data),
    }
    emit(facts, f"{out}: {len(asked)} items, {len(asked.classes)} classes, {len(asked.data):,} bytes", json)


@app.command()
def plan(
    records: Annotated[int, typer.Option(help="About how many labeled private records; a guess does.")],
    questions: Annotated[int, typer.Option(help="How many public items.")],
    classes: Annotated[int, typer.Option(help="How many labels there are to choose from.")],
    epsilon: options.Epsilon,
    delta: options.Delta = 1e-5,
    unit: options.UnitOption = "record",
    adjacency: options.AdjacencyOption = "add-remove",
    max_records: options.MaxRecords = 1,
    rule: RuleOption = DEFAULT_RULE,
    neighbours: Neighbours = None,
    screening: Screening = 0.0,
    lead: Lead = DEFAULT_LEAD,
    json: options.Json = False,
) -> None:
    """What noise would do to the votes, before any privacy is spent. Reads no private data; predicts no accuracy.

    Example: proxyset client label plan --records 1000 --questions 300 --classes 10 --epsilon 4
    """
    found = plan_labels(
        records, questions, classes, lambda m: label_statement(
            m, epsilon, delta, unit, adjacency, max_records,
            rule=rule, neighbours=neighbours, screening=screening, lead=lead,
        )
    )  # fmt: skip
    privacy = found.privacy
    lines = [
        f"σ = {privacy.voting.sigma:.4g} on every count, ρ = {privacy.rho:.4g} in all; a winner needs a lead of "
        f"{found.needed} records to survive that {ENOUGH:.0%} of the time",
        f"about {found.votes:.3g} records vote on a question (neighbours {privacy.neighbours}); if all agree, noise leaves "
        f"their winner with probability {found.survives:.2f}",
        f"about {found.answered:.0f} of {questions} questions would get a label if all that vote on each agree; "
        f"{found.by_noise:.0f} by noise alone, where nobody votes",
        f"at this ε, up to {found.most_questions} questions keep that above {ENOUGH:.0%}",
        "how often neighbours agree with the truth is not known before: no accuracy is predicted",
    ]
    emit(asdict(found) | {"privacy": privacy.model_dump()}, "\n".join(lines), json)


@app.command()
def answer(
    questions: Annotated[Path, typer.Argument(help="File of the questions.")],
    data: options.Data,
    epsilon: options.Epsilon,
    out: Annotated[Path, typer.Option(help="File of the answers.")],
    labels: LabelsFile = None,
    label_column: LabelColumn = None,
    folder_names: FolderNames = False,
    delta: options.Delta = 1e-5,
    ledger: options.LedgerFile = None,
    unit: options.UnitOption = "record",
    max_records: options.MaxRecords = 1,
    person: options.Person = None,
    adjacency: options.AdjacencyOption = "add-remove",
    rule: RuleOption = DEFAULT_RULE,
    neighbours: Neighbours = None,
    screening: Screening = 0.0,
    threshold: Annotated[
        int | None,
        typer.Option(help="Votes that pass the screening; half of the neighbours.", show_default=False),
    ] = None,
    lead: Lead = DEFAULT_LEAD,
    server: options.Asker = "",
    encoder: options.EncoderOption = None,
    dataset: options.DatasetName = None,
    fresh: options.Fresh = False,
    approve: options.Approve = False,
    strict: Strict = False,
    json: options.Json = False,
) -> None:
    """The owner: label public items with noisy votes of private records, paid for in the ledger of all answers.

    Example: proxyset client label answer questions.safetensors --data private/ --folder-names --epsilon 4 --out answers.safetensors
    """
    if out.is_dir():
        raise InvalidInput(f"{out} is a folder: --out takes a file")
    where = labels_of(labels, label_column, folder_names)
    if where is None:
        raise InvalidInput("say where the labels are: --labels FILE, --label-column NAME or --folder-names")
    terms = Terms(epsilon, delta, unit, max_records, person, adjacency, encoder)
    voting = Voting(rule, neighbours, screening, threshold, lead)
    out.parent.mkdir(parents=True, exist_ok=True)
    book = Ledger.open(ledger)
    before = book.spent()
    gate = Gate(book, server, fresh=fresh, approved=approve, confirm=confirming(strict))
    release = label_items(questions, data, where, terms, voting, gate, dataset)
    atomic.write_bytes(out, release.to_bytes())
    debited, left = book.spent() - before, book.remaining(server)
    answered = int((release.labels != ABSTAINED).sum())
    facts = {
        "answers": str(out),
        "questions": release.probe,
        "asked": len(release.labels),
        "answered": answered,
        "debited_rho": debited,
        "remaining_rho": left,
        "ledger": str(book.path),
        "receipt": bool(release.receipt),
        "privacy": release.privacy.model_dump(),
    }
    cost = f"at most ε = {epsilon} at δ = {delta} per {unit}, ρ = {debited:.4g} debited"
    if not debited:
        cost = "the stored answer, nothing debited"
    emit(
        facts, f"{out}: {answered} of {len(release.labels)} items labeled; {cost}; ρ = {left:.4g} left", json
    )


def collect(
    questions: Annotated[Path, typer.Argument(help="File of the questions.")],
    answers: Annotated[list[Path], typer.Argument(help="Files of the answers, one for each owner.")],
    proxy: Annotated[Path, typer.Option(help="The proxy set that was asked about.")],
    out: Annotated[Path, typer.Option(help="File of labels: .csv, .tsv, .json or .jsonl.")],
    unsigned: Annotated[
        bool,
        typer.Option("--unsigned", help="Take answers without a receipt: anybody can have changed them."),
    ] = False,
    json: options.Json = False,
) -> None:
    """The cloud: write the labels that came back. Several owners' answers are put to the vote.

    What the labels have seen, and the receipts, go beside them: OUT.lineage.json.

    Example: proxyset label collect questions.safetensors answers.safetensors --proxy proxy --out labels.csv
    """
    asked = Questions.from_bytes(read_message(questions, "set of questions", QUESTIONS_LIMIT))
    found = [LabelRelease.from_bytes(read_message(path, "set of labels", LABELS_LIMIT)) for path in answers]
    opened = ProxySet.open(proxy)
    got = collect_labels(opened, asked, found, unsigned=unsigned)
    origin = Origin(
        index=asked.index,
        proxy=asked.proxy,
        questions=asked.fingerprint,
        lineage=got.lineage,
        receipts=tuple(receipt.decode() for receipt in got.receipts),
    )
    kept = [Answer(item, label, hash=got.hashes[item]) for item, label in got.labels.items()]
    write_labels(kept, out, origin)
    facts = {
        "labels": str(out),
        "asked": len(asked),
        "labeled": len(kept),
        "answers": len(found),
        "lineage": got.lineage.model_dump(mode="json"),
    }
    words = f"{out}: labels of {len(kept)} of {len(asked)} items. They saw {got.lineage.words()}"
    emit(facts, words, json)
