"""How much of a pool can be of the clients' kind: the most that the released counts leave possible.

If a share α of the pool's items are distributed as the clients' records are, every region S of the features holds at least
α · Q(S) of the pool, where Q(S) is the share of the clients' records in it: so α ≤ P(S) / Q(S), and the smallest of these ratios
is the largest α that fits. That is the maximal mixture proportion (Blanchard, Lee and Scott, JMLR 2010). It bounds the share from
above and never from below: other items may lie where the clients' do. A pool that holds none of the clients' kind can leave a
large share possible; a pool for which hardly any is possible holds hardly any.

Regions are the pool's clusters, and unions of neighbouring ones, made of the centroids alone: halves, quarters, … across the
longest direction, down to single clusters. Q(S) is known up to noise and to the clients' own number of records, P(S) up to which
items of the kind the pool happens to hold; both errors are bounded for all regions at once (Bernstein, Chernoff).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.strategy import Candidates, Coverage

CONFIDENCE = 0.95
_STEPS = 40  # of bisection: a share to 1e-12


def own_share_at_most(pool: Candidates, coverage: Coverage, confidence: float = CONFIDENCE) -> float:
    """The largest share of the pool that can be of the clients' kind, in (0, 1]; 1 when the counts rule nothing out.

    Args:
        pool: sizes (R,) of its clusters and centroids (R, D).
        coverage: (R,) noisy counts and their σ.
        confidence: of the bound, in (0, 1).

    Sensitivity:
        None: nothing private goes in.
    Unit:
        That of the releases: records.
    Guarantee:
        Post-processing: it reads a release, never private data, and costs no privacy. With probability `confidence` the share
        that the pool was drawn with is at most what is returned.
    Assumes:
        The clients' records, and the pool's items of their kind, are independent draws of one distribution; a record counts at
        most 1 and is not a person's among many; centroids do not follow single items. Nobody lies.
    """
    R = len(coverage.counts)
    regions = list(_regions(pool.centroids))
    if not regions:
        return 1.0
    held, inside = (
        np.array([of[region].sum() for region in regions]) for of in (pool.sizes, coverage.counts)
    )
    size, total = np.array([len(region) for region in regions]), float(coverage.counts.sum())
    L = math.log((2 * len(regions) + 1) / (1 - confidence))
    records = max(total, 1.0) + math.sqrt(2 * R * L) * coverage.sigma  # at most
    low: NDArray[np.float64] = np.zeros(len(regions))
    high: NDArray[np.float64] = np.ones(len(regions))
    for _ in range(_STEPS):  # the smallest Q(S) that these counts are not too many for
        Q = (low + high) / 2
        noise = coverage.sigma**2 * (size * (1 - Q) ** 2 + (R - size) * Q**2)
        fits = inside - Q * total <= np.sqrt(2 * L * (records * Q * (1 - Q) + noise)) + L / 3
        low, high = np.where(fits, low, Q), np.where(fits, Q, high)
    # of the kind, so many can be expected at most in a region that holds so few
    own = ((math.sqrt(2 * L) + np.sqrt(2 * L + 4 * held)) / 2) ** 2
    ratios = own / (len(pool) * np.maximum(low, 1e-12))
    return float(min(1.0, ratios.min()))


def own_share_words(at_most: float | None) -> str:
    """What to say of the bound, and of what it means for a gain; empty where none was found."""
    if at_most is None:
        return ""
    if at_most >= 1:
        return (
            "The answers leave open how much of the pool is of the clients' kind. Where it holds little, a choice by answers may "
            "gain little over one at random."
        )
    return (
        f"At most {100 * at_most:.2g} % of the pool can be of the clients' kind ({CONFIDENCE:.0%} confidence; it may be none). "
        "Where it holds little, a choice by answers may gain little over one at random."
    )


def _regions(centroids: NDArray[np.float32]) -> Iterator[NDArray[np.intp]]:
    """Clusters beside each other, in halves, quarters and so on; all but the whole."""
    open_: list[NDArray[np.intp]] = [np.arange(len(centroids))]
    while open_:
        region = open_.pop()
        if len(region) < len(centroids):
            yield region
        if len(region) > 1:
            centred = centroids[region].astype(np.float64) - centroids[region].mean(axis=0)
            along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
            order = region[np.argsort(along, kind="stable")]
            open_ += [order[: len(order) // 2], order[len(order) // 2 :]]
