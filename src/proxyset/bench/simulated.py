"""Noise for simulated clients, who keep no ledger."""

from __future__ import annotations

import uuid

import numpy as np
from numpy.typing import NDArray

from proxyset.client.chain import Entry
from proxyset.client.noise import gaussian
from proxyset.wire.release import PrivacyStatement


def simulated_noise(counts: NDArray[np.int64], privacy: PrivacyStatement) -> NDArray[np.int64]:
    """The counts of a client that exists in this process alone, with the noise of the shipped client and a debit in no ledger."""
    debit = Entry(1, uuid.uuid4().hex, "debit", rho=privacy.rho, sigma=privacy.sigma).sealed()
    return gaussian(counts.size, privacy)(counts, debit)
