"""Labels: the owner's noisy votes on public items. `gate` has the order in which they are made.

Two draws where private-knn screens first: the screening of all questions, then the votes on those that passed. Before the first
it is checked that both fit under every cap even if all questions pass. Each is debited right before it is drawn; both belong to
one answer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset.client.calibration import Adjacency, Unit
from proxyset.client.choice import bounded_rows, marks
from proxyset.client.gate import Confirm, Draw, Gate, Votes
from proxyset.client.knn import label_votes
from proxyset.client.label_privacy import (
    DEFAULT_LEAD,
    DEFAULT_RULE,
    label_statement,
    voting_of,
    whole_cost,
)
from proxyset.client.labels import class_numbers
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_questions
from proxyset.client.policy import Policy
from proxyset.client.private_data import Data, Labels, PrivateData, matching_encoder, open_private
from proxyset.client.terms import Terms
from proxyset.encoders.encoder import Encoder
from proxyset.encoders.function import FunctionEncoder
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


@dataclass(frozen=True)
class Voting:
    """How records vote on questions, the owner's choice: as `label_privacy.label_statement` takes them."""

    rule: Rule = DEFAULT_RULE
    neighbours: int | None = None
    screening: float = 0.0
    threshold: int | None = None
    lead: float = DEFAULT_LEAD

    def statement(self, questions: int, terms: Terms) -> LabelStatement:
        """What labels of so many items guarantee under these terms. Raises InvalidInput for impossible ones."""
        return label_statement(
            questions, terms.epsilon, terms.delta, terms.unit, terms.adjacency, terms.max_records,
            rule=self.rule, neighbours=self.neighbours, screening=self.screening, threshold=self.threshold, lead=self.lead,
        )  # fmt: skip


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
    encoder: Encoder | FunctionEncoder | str | None = None,
    rule: Rule = DEFAULT_RULE,
    neighbours: int | None = None,
    screening: float = 0.0,
    threshold: int | None = None,
    lead: float = DEFAULT_LEAD,
    ledger: Ledger | str | os.PathLike[str] | None = None,
    server: str = "",
    dataset: str | None = None,
    fresh: bool = False,
    approved: bool = False,
    confirm: Confirm | None = None,
) -> LabelRelease:
    """Label public items with noisy votes of private, labeled records, and pay for it in the ledger.

    A record without a label, or with one that is no class of the questions, has no vote.

    Args:
        questions: questions, their file or their bytes.
        data: the private data, as `client.answer.answer` takes them.
        labels: where a record's label is: a column's name, "folder" for the name of the folder it lies in, or a
            mapping from ids to labels.
        rule, neighbours, screening, threshold, lead: as `Voting` takes them.
        everything else: as `client.answer.answer` takes it.

    Returns:
        The labels, also stored in the ledger; with their signed receipt if the ledger has a key.

    Sensitivity:
        As `label_privacy` shows; `knn.label_votes` and `choice.bounded_rows` bound what one unit does.
    Unit:
        `unit`, in the data set that `data` and `labels` are; a record is its features and its label together.
    Guarantee:
        As `Gate.answer`: (ε, δ)-DP and ρ-zCDP as the labels state, for any questions, any encoder and any record.
    Assumes:
        As `answer`.

    Raises:
        As `answer`.
    """
    gate = Gate(
        ledger if isinstance(ledger, Ledger) else Ledger.open(ledger),
        server,
        fresh=fresh,
        approved=approved,
        confirm=confirm,
    )
    terms = Terms(epsilon, delta, unit, max_records, person, adjacency, encoder)
    voting = Voting(rule, neighbours, screening, threshold, lead)
    return label_items(questions, data, labels, terms, voting, gate, dataset)


def label_items(
    questions: Questions | str | os.PathLike[str] | bytes,
    data: Data,
    labels: Labels,
    terms: Terms,
    voting: Voting,
    gate: Gate,
    dataset: str | None = None,
) -> LabelRelease:
    """The same, for callers that have terms and a gate already; everything as `answer_questions` says."""
    question = LabelVotes.of(questions, terms, voting)
    private = open_private(data, question.encoder, terms.person, labels, dataset, question.asked.classes)
    return gate.answer(question, private)


@dataclass(frozen=True)
class LabelVotes:
    """The question about labels: which class do records near each item have? A `gate.Question`.

    Sensitivity:
        That of each draw's statement (`label_privacy`).
    Unit:
        privacy.voting.unit.
    Guarantee:
        None by itself; the gate draws the noise.
    Assumes:
        `encoder` has the questions' fingerprint.
    """

    asked: Questions
    encoder: Encoder
    privacy: LabelStatement

    @classmethod
    def of(
        cls, questions: Questions | str | os.PathLike[str] | bytes, terms: Terms, voting: Voting
    ) -> LabelVotes:
        """The question of questions, their file or their bytes, under an owner's terms.

        Raises:
            As `answer_questions`, for the questions, the terms and the encoder.
        """
        asked = _opened(questions)
        privacy = voting.statement(len(asked), terms)
        return cls(asked, matching_encoder(terms.encoder, asked.encoder, "set of questions"), privacy)

    @property
    def cost(self) -> PrivacyStatement:
        return whole_cost(self.privacy)

    def permit(self, policy: Policy | None, server: str, approved: bool) -> None:
        if policy:
            policy.check_questions(self.asked, self.privacy, server, approved)

    def verify(self) -> None:
        check_questions(self.asked, self.encoder)

    def stored(self, ledger: Ledger, dataset: str) -> LabelRelease | None:
        return ledger.stored_labels(self.asked.fingerprint, dataset, self.privacy)

    def votes(self, private: PrivateData) -> Votes:
        records = list(private.records())
        X = np.concatenate(
            [np.empty((0, self.encoder.spec.dim), np.float32), *(batch.X for batch in records)]
        )
        labels = class_numbers([name for batch in records for name in batch.labels], self.asked.classes)
        if self.privacy.voting.unit == "person":
            persons = [person for batch in records for person in batch.persons]
            kept = bounded_rows(persons, marks(X), labels, self.privacy.voting.max_records)
            X, labels = X[kept], labels[kept]
        return label_votes(
            self.asked.X,
            X,
            labels,
            len(self.asked.classes),
            self.privacy.rule,
            self.privacy.neighbours,
        )

    def answer(self, votes: Votes, draw: Draw) -> LabelRelease:
        m, privacy = len(votes), self.privacy
        labels = np.full(m, ABSTAINED, np.int16)
        kept: NDArray[np.bool_] = np.ones(m, np.bool_)
        if privacy.screening:
            screened = draw(votes.max(axis=1), privacy.screening, f"screening of {m} questions")
            kept = screened > privacy.threshold
        if count := int(kept.sum()):
            noisy = draw(votes[kept], voting_of(privacy, count), f"labels of {count} questions")
            labels[kept] = _decided(noisy, privacy)
        return LabelRelease(labels, self.asked.fingerprint, self.asked.index, privacy)


def _decided(noisy: Votes, privacy: LabelStatement) -> NDArray[np.int64]:
    """The class with the most noisy votes, where its lead is large enough. Post-processing."""
    second, first = np.partition(noisy, -2, axis=1)[:, -2:].T
    return np.where(first - second > privacy.lead * privacy.voting.sigma, noisy.argmax(axis=1), ABSTAINED)


def _opened(questions: Questions | str | os.PathLike[str] | bytes) -> Questions:
    if isinstance(questions, Questions):
        return questions
    if not isinstance(questions, bytes):
        questions = read_message(Path(questions), "set of questions", QUESTIONS_LIMIT)
    return Questions.from_bytes(questions)
