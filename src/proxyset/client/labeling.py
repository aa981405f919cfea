"""Labels: the owner's noisy votes on public items, in the order of `client.answer`.

    1 validate   questions, settings, encoder, policy, ledger and budget, before a private byte is read
    2 vote       read and encode ALL private data with its labels; one bad record stops here
    3 debit      the screening of all questions, durably; draw it, once          (private-knn with a screening only)
    4 debit      the votes on those that passed, durably; draw them, once
    5 store      the labels, durably, and sign their receipt if the ledger has a key
    6 return     them

Before 3 it is checked that 4 fits under every cap even if all questions pass. An error or a crash after a debit keeps it
and sends nothing; the next request pays anew. The same questions for the same data set under the same settings get
the stored labels again, bit for bit, at no cost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset.client.calibration import Adjacency, Unit
from proxyset.client.chain import Entry
from proxyset.client.decisions import is_approved, was_drawn_for
from proxyset.client.knn import bounded_rows, label_votes
from proxyset.client.label_privacy import (
    DEFAULT_LEAD,
    DEFAULT_RULE,
    label_statement,
    voting_of,
    whole_cost,
)
from proxyset.client.labels import Labels, class_numbers, label_reader
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_questions
from proxyset.client.noise import gaussian
from proxyset.client.policy import in_force
from proxyset.client.private_data import (
    Data,
    batches_of,
    check_kind,
    check_person,
    dataset_name,
    encoded_records,
    matching_encoder,
    private_source,
)
from proxyset.client.receipts import check_not_rolled_back, issue
from proxyset.client.vote import Records, refuse_duplicates
from proxyset.encoders.encoder import Encoder
from proxyset.wire.files import read_message
from proxyset.wire.questions import (
    ABSTAINED,
    QUESTIONS_LIMIT,
    LabelRelease,
    LabelStatement,
    Questions,
    Rule,
)
from proxyset.wire.release import PrivacyStatement
from proxyset.wire.server_name import server_name

Votes = NDArray[np.int64]


def answer_questions(
    questions: Questions | str | os.PathLike[str] | bytes,
    data: Data,
    labels: Labels,
    *,
    epsilon: float,
    delta: float = 1e-5,
    unit: Unit = "record",
    max_records: int = 1,
    person: str | None = None,
    adjacency: Adjacency = "add-remove",
    rule: Rule = DEFAULT_RULE,
    neighbours: int | None = None,
    screening: float = 0.0,
    threshold: int | None = None,
    lead: float = DEFAULT_LEAD,
    ledger: Ledger | str | os.PathLike[str] | None = None,
    server: str = "",
    dataset: str | None = None,
    encoder: Encoder | str | None = None,
    skip_corrupt: bool = False,
    fresh: bool = False,
    approved: bool = False,
) -> LabelRelease:
    """Label public items with noisy votes of private, labeled records, and pay for it in the ledger.

    Args:
        questions: questions, their file or their bytes.
        data: the private data, as `client.answer.answer` takes them.
        labels: where a record's label is: a column's name, "folder" for the name of the folder it lies in, or a
            mapping from ids to labels.
        rule, neighbours, screening, threshold, lead: as `label_privacy.label_statement` takes them.
        ledger, server, dataset, encoder, skip_corrupt, fresh, approved, and the guarantee: as `answer` takes them.

    Returns:
        The labels, also stored in the ledger; with their signed receipt if the ledger has a key.

    Sensitivity:
        As `label_privacy` shows; `knn.label_votes` and `knn.bounded_rows` bound what one unit does.
    Unit:
        `unit`, in the data set that `data` and `labels` are; a record is its features and its label together.
    Guarantee:
        (ε, δ)-DP and ρ-zCDP as the labels state, for everything that leaves the machine. How long it takes, and
        that it failed, are not covered.
    Assumes:
        One ledger for all answers about the same people. Features of an item depend on that item alone.

    Raises:
        InvalidInput: an impossible setting. InvalidData: a record without a label, with one that is no class of the
            questions, or that cannot be read; no records; or records of one class only.
        EncoderMismatch, ArtifactError, BudgetExceeded, Refused, LedgerError: as `answer`.
    """
    check_person(unit, person)
    server = server_name(server)
    asked = _opened(questions)
    privacy = label_statement(
        len(asked), epsilon, delta, unit, adjacency, max_records,
        rule=rule, neighbours=neighbours, screening=screening, threshold=threshold, lead=lead,
    )  # fmt: skip
    encoder = matching_encoder(encoder, asked.encoder, "set of questions")
    source = private_source(data, encoder, person, labels if isinstance(labels, str) else None)
    check_kind(source, encoder, "set of questions")
    dataset = dataset_name(source) if dataset is None else dataset
    ledger = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)

    check_not_rolled_back(ledger)
    agreed = is_approved(ledger, asked.fingerprint, server, whole_cost(privacy)) or approved
    policy, policy_hash = in_force(ledger)
    stored = None if fresh else ledger.stored_labels(asked.fingerprint, dataset, privacy)
    if stored and was_drawn_for(ledger, stored, server):
        agreed = True
    if policy:
        policy.check_questions(asked, privacy, server, agreed)
    check_questions(asked, encoder)
    if stored:
        return _signed(stored, ledger)
    ledger.check(whole_cost(privacy), server)
    records = encoded_records(batches_of(source), encoder, person, skip_corrupt, label_reader(labels))
    votes = _votes(list(records), asked, privacy, unit)

    with ledger.exclusive():
        if not fresh and (stored := ledger.stored_labels(asked.fingerprint, dataset, privacy)):
            return _signed(stored, ledger)
        agreed = is_approved(ledger, asked.fingerprint, server, whole_cost(privacy)) or approved
        if policy:  # again: another process may have spent the approval
            policy.check_questions(asked, privacy, server, agreed)
        ledger.check(whole_cost(privacy), server)

        def pay(draw: PrivacyStatement, note: str) -> Entry:
            return ledger.debit(
                draw, probe=asked.fingerprint, dataset=dataset, server=server, policy=policy_hash, note=note
            )

        chosen, debit = _drawn(votes, privacy, pay)
        release = LabelRelease(chosen, asked.fingerprint, asked.index, privacy)
        ledger.store(debit, release)
        return _signed(release, ledger)


def _drawn(
    votes: Votes, privacy: LabelStatement, pay: Callable[[PrivacyStatement, str], Entry]
) -> tuple[NDArray[np.int16], Entry]:
    """Labels of all questions, and the last debit: each debit is made right before the draw that it pays for."""
    m, classes = votes.shape
    labels = np.full(m, ABSTAINED, np.int16)
    kept: NDArray[np.bool_] = np.ones(m, np.bool_)
    if privacy.screening:
        screen = gaussian(m, privacy.screening)
        debit = pay(privacy.screening, f"screening of {m} questions")
        kept = screen(votes.max(axis=1)) > privacy.threshold
        if not kept.any():
            return labels, debit
    count = int(kept.sum())
    voting = voting_of(privacy, count)
    add = gaussian(count * classes, voting)
    debit = pay(voting, f"labels of {count} questions")
    labels[kept] = _decided(add(votes[kept].ravel()).reshape(count, classes), privacy)
    return labels, debit


def _decided(noisy: Votes, privacy: LabelStatement) -> NDArray[np.int64]:
    """The class with the most noisy votes, where its lead is large enough. Post-processing."""
    second, first = np.partition(noisy, -2, axis=1)[:, -2:].T
    return np.where(first - second > privacy.lead * privacy.voting.sigma, noisy.argmax(axis=1), ABSTAINED)


def _votes(records: Sequence[Records], asked: Questions, privacy: LabelStatement, unit: Unit) -> Votes:
    seen: set[str] = set()
    for batch in records:
        refuse_duplicates(batch.ids, seen)
    names = [name for batch in records for name in batch.labels]
    ids = [name for batch in records for name in batch.ids]
    labels = class_numbers(ids, names, asked.classes)
    X = np.concatenate([batch.X for batch in records])
    if unit == "person":
        persons = [person for batch in records for person in batch.persons]
        contents = [content for batch in records for content in batch.contents]
        rows = bounded_rows(persons, contents, labels, privacy.voting.max_records)
        X, labels = X[rows], labels[rows]
    return label_votes(asked.X, X, labels, len(asked.classes), privacy.rule, privacy.neighbours)


def _opened(questions: Questions | str | os.PathLike[str] | bytes) -> Questions:
    if isinstance(questions, Questions):
        return questions
    if not isinstance(questions, bytes):
        questions = read_message(Path(questions), "set of questions", QUESTIONS_LIMIT)
    return Questions.from_bytes(questions)


def _signed(release: LabelRelease, ledger: Ledger) -> LabelRelease:
    receipt = issue(ledger, release)
    return replace(release, receipt=receipt.to_bytes()) if receipt else release
