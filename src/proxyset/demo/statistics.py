"""Means, spreads and paired gains: the statistics that every report quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proxyset.errors import InvalidInput, MissingExtra


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n − 1; 0 for a single value)."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Gain:
    """A mean difference over paired runs; `half_width` is of its 95 % interval, None for a single run."""

    mean: float
    half_width: float | None
    runs: int


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)


def paired_gain(differences: Sequence[float]) -> Gain:
    """Student's interval of a mean of paired differences.

    Raises:
        InvalidInput: there are none.
        MissingExtra: SciPy is not installed.
    """
    n = len(differences)
    if n == 0:
        raise InvalidInput("a gain needs at least one pair of runs; there are 0")
    if n == 1:
        return Gain(float(differences[0]), None, 1)
    try:
        from scipy.stats import t
    except ModuleNotFoundError:
        raise MissingExtra("scipy", "demo", "confidence intervals") from None
    half_width = float(t.ppf(0.975, n - 1)) * float(np.std(differences, ddof=1)) / n**0.5
    return Gain(float(np.mean(differences)), half_width, n)
