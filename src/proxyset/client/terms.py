"""The terms: what an owner gives for an answer. One type for the command line, the agent, the page and Flower."""

from __future__ import annotations

from dataclasses import dataclass

from proxyset.client.calibration import Adjacency, Unit, privacy_statement
from proxyset.encoders.encoder import Encoder
from proxyset.encoders.function import FunctionEncoder
from proxyset.errors import InvalidInput
from proxyset.wire.release import PrivacyStatement


@dataclass(frozen=True)
class Terms:
    """How private data may be answered from. Nothing that a server sends changes any of it.

    Attributes:
        epsilon: privacy loss of one answer, in [0.001, 100].
        delta: probability that the loss is larger, in (0, 0.5).
        unit: what is protected: one "record", or one "person" with all records of theirs.
        max_records: 1 for unit "record"; for a person m: votes count up to a length (ℓ2) of √m records. Of labels, and of reports
            for a two-party sum, at most m records of a person count.
        person: for unit "person", the column that names the person, "folder" for the folder a record lies in,
            or "me" where all records are one person's.
        adjacency: which data sets are neighbours: "add-remove" or "replace-one" of one unit.
        encoder: the owner's encoder or its name as `encoders.load_encoder` takes it ("onnx:FOLDER"), or a function
            with its name; None for the one that the question describes.

    Raises:
        InvalidInput: a person is named where the unit is a record, or none where it is a person.
    """

    epsilon: float
    delta: float = 1e-5
    unit: Unit = "record"
    max_records: int = 1
    person: str | None = None
    adjacency: Adjacency = "add-remove"
    encoder: Encoder | FunctionEncoder | str | None = None

    def __post_init__(self) -> None:
        if self.unit == "person" and not self.person:
            raise InvalidInput(
                'unit "person" needs to know whose each record is: name a column, "folder", or "me" if all are one person\'s'
            )
        if self.unit == "record" and self.person:
            raise InvalidInput(
                f'a person ({self.person!r}) is named, but the unit is "record": ask for unit "person"'
            )

    def statement(self) -> PrivacyStatement:
        """What counts under these terms guarantee.

        Raises:
            InvalidInput: an impossible ε, δ, unit, adjacency or number of records.
        """
        return privacy_statement(self.epsilon, self.delta, self.unit, self.adjacency, self.max_records)
