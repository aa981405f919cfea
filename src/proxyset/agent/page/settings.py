"""What the owner chose when the page was started: the data, and how answers are to be given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxyset.client.calibration import Adjacency, Unit, privacy_statement
from proxyset.client.label_plan import LabelPlan, plan_labels
from proxyset.client.label_privacy import DEFAULT_LEAD, DEFAULT_RULE, label_statement
from proxyset.client.private_data import Data, Labels, dataset_name
from proxyset.client.terms import Terms
from proxyset.wire.questions import LabelStatement, Rule
from proxyset.wire.release import PrivacyStatement


@dataclass(frozen=True)
class Settings:
    """How answers are given.

    Attributes:
        data: the private data, as `answer` takes them.
        epsilon: what a form begins with; the owner may change it for each answer.
        delta, unit, max_records, person, adjacency, dataset, encoder: as `answer` takes them.
        labels, rule, neighbours, screening, lead: as `labeling.answer_questions` takes them; without `labels`, questions can be
            looked at and not be answered.
        records: about how many records there are, for predictions; None when the owner did not say.
    """

    data: Data
    epsilon: float
    delta: float = 1e-5
    unit: Unit = "record"
    max_records: int = 1
    person: str | None = None
    adjacency: Adjacency = "add-remove"
    dataset: str | None = None
    encoder: str | None = None
    records: int | None = None
    labels: Labels | None = None
    rule: Rule = DEFAULT_RULE
    neighbours: int | None = None
    screening: float = 0.0
    lead: float = DEFAULT_LEAD

    def terms(self, epsilon: float) -> Terms:
        """The terms of an answer at this ε."""
        return Terms(
            epsilon, self.delta, self.unit, self.max_records, self.person, self.adjacency, self.encoder
        )

    def statement(self, epsilon: float) -> PrivacyStatement:
        """What an answer at this ε would state. Raises InvalidInput for an impossible one."""
        return privacy_statement(epsilon, self.delta, self.unit, self.adjacency, self.max_records)

    def label_statement(self, questions: int, epsilon: float) -> LabelStatement:
        """What labels of so many items would state at this ε. Raises InvalidInput for an impossible one."""
        return label_statement(
            questions, epsilon, self.delta, self.unit, self.adjacency, self.max_records, **self._votes
        )

    def label_plan(self, records: int, questions: int, classes: int, epsilon: float) -> LabelPlan:
        """What to expect of such labels with about so many records."""
        return plan_labels(
            records, questions, classes, epsilon, self.delta, self.unit, self.adjacency, self.max_records, **self._votes
        )  # fmt: skip

    @property
    def dataset_name(self) -> str:
        """What the ledger calls the data."""
        if self.dataset is not None:
            return self.dataset
        if isinstance(self.data, str | os.PathLike):
            return str(Path(self.data).resolve())
        return dataset_name(self.data)

    def options(self, epsilon: float) -> dict[str, Any]:
        """Keyword arguments of `answer` at this ε."""
        return {
            "epsilon": epsilon,
            "delta": self.delta,
            "unit": self.unit,
            "max_records": self.max_records,
            "person": self.person,
            "adjacency": self.adjacency,
            "dataset": self.dataset,
            "encoder": self.encoder,
        }

    def label_options(self, epsilon: float) -> dict[str, Any]:
        """Keyword arguments of `answer_questions` at this ε."""
        return {**self.options(epsilon), **self._votes, "labels": self.labels}

    @property
    def _votes(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "neighbours": self.neighbours,
            "screening": self.screening,
            "lead": self.lead,
        }
