"""What an owner gives for an answer: one type for the command line, the agent, the page and Flower."""

from __future__ import annotations

from dataclasses import dataclass

from proxyset.client.calibration import Adjacency, Unit, privacy_statement
from proxyset.wire.release import PrivacyStatement


@dataclass(frozen=True)
class Terms:
    """The terms of an owner's answers. Nothing that a server sends changes one of them.

    Attributes:
        epsilon, delta, adjacency: the guarantee of an answer, as `calibration.privacy_statement` takes them.
        unit, max_records: what is protected: a "record", or a "person" of whom at most `max_records` records count.
        person: for unit "person", the column that names the person, or "folder".
        encoder: the owner's copy of the encoder, "onnx:FOLDER"; None where the probe's needs no weights.
    """

    epsilon: float
    delta: float = 1e-5
    unit: Unit = "record"
    max_records: int = 1
    person: str | None = None
    adjacency: Adjacency = "add-remove"
    encoder: str | None = None

    def statement(self) -> PrivacyStatement:
        """What an answer on these terms states.

        Raises:
            InvalidInput: impossible terms.
        """
        return privacy_statement(self.epsilon, self.delta, self.unit, self.adjacency, self.max_records)
