"""Noise of simulated clients, who have no ledger that a debit could be written to."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_FAR = 12  # σ; beyond it lies less than 1e-32 of the mass


def discrete_gaussian(sigma: float, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Fresh noise of the shape that is asked for, from the system's entropy.

    Sensitivity:
        σ was computed for the caller's.
    Unit:
        The caller's.
    Guarantee:
        The distribution is that of `proxyset.client`, but drawn in floating point: good for a benchmark, not for real data.
    Assumes:
        The private data are public benchmark data.
    """
    values = np.arange(-math.ceil(_FAR * sigma), math.ceil(_FAR * sigma) + 1)
    mass = np.exp(-np.square(values / sigma) / 2)
    return np.random.default_rng().choice(values, shape, p=mass / mass.sum())
