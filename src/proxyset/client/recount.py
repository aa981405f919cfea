"""The counts before noise, for their owner's eyes alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset.client.calibration import Unit
from proxyset.client.private_data import (
    Data,
    batches_of,
    check_kind,
    check_person,
    encoded_records,
    matching_encoder,
    private_source,
)
from proxyset.client.vote import count_votes
from proxyset.encoders.encoder import Encoder
from proxyset.wire.probe import Probe


def true_counts(
    probe: Probe,
    data: Data,
    *,
    unit: Unit = "record",
    max_records: int = 1,
    person: str | None = None,
    encoder: Encoder | str | None = None,
    skip_corrupt: bool = False,
) -> NDArray[np.int64]:
    """Count again. Nothing is kept, debited or sent.

    Args:
        probe: the probe.
        data, unit, max_records, person, encoder, skip_corrupt: as `answer` takes them.

    Returns:
        (R,) int64.

    Sensitivity:
        As `vote.count_votes`.
    Unit:
        `unit`.
    Guarantee:
        None: this is the private data itself, counted. Show it to the owner or to nobody.
    Assumes:
        The caller does not store it: noise that was released could be taken off with it.

    Raises:
        InvalidInput, InvalidData, EncoderMismatch: as `answer`.
    """
    check_person(unit, person)
    encoder = matching_encoder(encoder, probe.encoder, "probe")
    source = private_source(data, encoder, person)
    check_kind(source, encoder, "probe")
    records = encoded_records(batches_of(source), encoder, person, skip_corrupt)
    return count_votes(records, probe, max_records if unit == "person" else None)
