"""What the lab's tables add to a paired gain: Holm's correction over a table, and shares of a gap by bootstrap over sites.

The interval itself is `proxyset.demo.statistics.paired_gain`: over sites, never over runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05
FEWEST = 5  # sites; with fewer, resampling them says nothing
WIDEST = 1.0  # an interval wider than the gap itself says nothing either
_RESAMPLES = 4000


@dataclass(frozen=True)
class Closed:
    """The share of a gap that is closed, with its 95 % interval."""

    share: float
    low: float
    high: float


def holm(ps: Sequence[float]) -> list[bool]:
    """Which hypotheses stay rejected when all are tested together (Holm 1979): at most LEVEL for any false rejection."""
    rejected = [False] * len(ps)
    for rank, at in enumerate(np.argsort(ps, kind="stable")):
        if ps[at] > LEVEL / (len(ps) - rank):
            break
        rejected[at] = True
    return rejected


def closed(method: Mapping[str, float], base: Mapping[str, float], top: Mapping[str, float]) -> Closed | None:
    """Where a method stands between base (0) and top (1); percentile bootstrap over the sites that have all three.

    Args:
        method, base, top: site → mean score.

    Returns:
        None where the share means nothing: fewer than FEWEST sites, a gap that may be zero or negative, or an interval wider
        than WIDEST.
    """
    sites = sorted(method.keys() & base.keys() & top.keys())
    if len(sites) < FEWEST:
        return None
    gains, gaps = (np.array([of[site] - base[site] for site in sites]) for of in (method, top))
    drawn = np.random.default_rng(0).integers(len(sites), size=(_RESAMPLES, len(sites)))
    tops = gaps[drawn].mean(axis=1)
    if np.percentile(tops, 100 * LEVEL / 2) <= 0:
        return None
    low, high = np.percentile(gains[drawn].mean(axis=1) / tops, [100 * LEVEL / 2, 100 * (1 - LEVEL / 2)])
    if high - low > WIDEST:
        return None
    return Closed(float(gains.mean() / gaps.mean()), float(low), float(high))
