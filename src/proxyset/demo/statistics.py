"""Means, spreads and paired gains: the statistics that every report quotes, the demo's and the lab's.

Runs on one site (a private domain, a client) share its records, its test items and its difficulty, so they are not independent.
Every interval is therefore over sites, however many runs each has: differences are averaged within a site, and the t statistic is
that of the sites' means, with one degree of freedom fewer than there are sites. Source: Ibragimov and Müller, *t-Statistic Based
Correlation and Heterogeneity Robust Inference*, Journal of Business & Economic Statistics 28 (2010), which needs few clusters
and holds where they differ in variance; Cameron and Miller, *A Practitioner's Guide to Cluster-Robust Inference* (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from proxyset.errors import InvalidInput, needing

POWER = 0.8


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n − 1; 0 for a single value)."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Gain:
    """A mean difference over paired runs, each site with the same weight.

    Attributes:
        mean: of the sites' means.
        half_width: of its 95 % interval over sites; None for a single site.
        runs, sites: how many pairs, and of how many sites.
        p: two-sided, of no difference; None for a single site.
        harm: the smallest loss, as a positive number, that a test at 5 % over as many sites that differ as much would have
            seen with a chance of POWER; None for a single site.
    """

    mean: float
    half_width: float | None
    runs: int
    sites: int
    p: float | None = None
    harm: float | None = None


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)


def paired_gain(differences: Sequence[float], sites: Sequence[str]) -> Gain:
    """The mean of paired differences and Student's interval over sites.

    Args:
        differences: (n,) of a run and the run that it is compared with.
        sites: (n,) whose runs they are.

    Raises:
        InvalidInput: there are none.
        MissingExtra: SciPy is not installed.
    """
    if not len(differences):
        raise InvalidInput("a gain needs at least one pair of runs; there are 0")
    of: dict[str, list[float]] = {}
    for difference, site in zip(differences, sites, strict=True):
        of.setdefault(site, []).append(float(difference))
    means = np.array([np.mean(values) for values in of.values()])
    mean, runs, n = float(means.mean()), len(differences), len(means)
    if n == 1:
        return Gain(mean, None, runs, 1)
    with needing("demo", "confidence intervals"):
        from scipy.stats import t
    error = float(means.std(ddof=1)) / n**0.5
    if error <= 1e-12 * max(1.0, abs(mean)):  # all sites alike
        return Gain(mean, 0.0, runs, n, 1.0 if abs(mean) < 1e-12 else 0.0, 0.0)
    p = 2 * float(t.sf(abs(mean) / error, n - 1))
    far, seen = _standard_errors(n - 1)
    return Gain(mean, far * error, runs, n, p, seen * error)


@cache
def _standard_errors(freedom: int) -> tuple[float, float]:
    """How many a 95 % interval reaches, and how many an effect must be for a t test at 5 % to see it with a chance of POWER."""
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    far = float(t.ppf(0.975, freedom))
    return far, float(brentq(lambda at: nct.sf(far, freedom, at) - POWER, 0.0, 20 * far))
