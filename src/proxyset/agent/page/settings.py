"""What the owner chose when the page was started: the data, and how answers are to be given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from proxyset.client.labeling import Voting
from proxyset.client.private_data import Data, Labels, dataset_name
from proxyset.client.terms import Terms


@dataclass(frozen=True)
class Settings:
    """How answers are given.

    Attributes:
        data: the private data, as `answer` takes them.
        terms: what the owner gives; its ε is what a form begins with, and may be changed for each answer.
        dataset: as `answer` takes it.
        records: about how many records there are, for predictions; None when the owner did not say.
        labels, voting: as `labeling.label_items` takes them; without `labels`, questions can be looked at and not be answered.
    """

    data: Data
    terms: Terms
    dataset: str | None = None
    records: int | None = None
    labels: Labels | None = None
    voting: Voting = field(default_factory=Voting)

    def at(self, epsilon: float) -> Terms:
        """The terms of an answer at this ε."""
        return replace(self.terms, epsilon=epsilon)

    @property
    def dataset_name(self) -> str:
        """What the ledger calls the data."""
        return dataset_name(self.data) if self.dataset is None else self.dataset
