"""The counts before noise, for their owner's eyes alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proxyset.client.answer import Counts
from proxyset.client.private_data import Data, Tally, open_private
from proxyset.client.terms import Terms
from proxyset.wire.probe import Probe


def true_counts(probe: Probe, data: Data, terms: Terms) -> tuple[NDArray[np.float64], Tally]:
    """Count again. Nothing is kept, debited or sent.

    Args:
        probe: the probe.
        data, terms: as `answer` takes them.

    Returns:
        (R,) counts in records, and how the records were read.

    Sensitivity:
        As `vote.count_votes`, over the grid.
    Unit:
        terms.unit.
    Guarantee:
        None: this is the private data itself, counted. Show it to the owner or to nobody.
    Assumes:
        The caller does not store it: noise that was released could be taken off with it.

    Raises:
        InvalidInput, InvalidData, EncoderMismatch: as `answer`.
    """
    question = Counts.of(probe, terms)
    private = open_private(data, question.encoder, terms.person, dataset="")
    return question.votes(private) / question.cost.grid, private.tally
