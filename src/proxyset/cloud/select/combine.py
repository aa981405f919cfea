"""Many clients' releases as one coverage, so that no single one decides.

Counts add up, and a client may send any counts. Nobody can tell a lie from a large client, so weight is what is bounded:
with three releases or more, one whose mass Σ|count| exceeds `max_weight` times the median mass is scaled down to that. Fewer
than half of the clients cannot move the median beyond what honest ones sent; one poisoned release among n like ones then
holds at most max_weight / (max_weight + n − 1) of the mass: with the default 3, 60 % of three, 25 % of ten, 3 % of a hundred.
The price: an honest client that is larger than that is cut, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.strategy import Coverage
from proxyset.errors import InvalidInput
from proxyset.wire.release import Release

MAX_WEIGHT = 3.0
FEWEST_TO_CAP = 3  # of two, the median is no judge


def combine(
    releases: Sequence[Release], index: str, clusters: int, max_weight: float = MAX_WEIGHT
) -> Coverage | None:
    """Sum the counts of releases that answer probes of one index; None when there are none.

    Args:
        releases: each with its own, independent noise.
        index: fingerprint of the index.
        clusters: R.
        max_weight: as for `weights`.

    Returns:
        Σ w·counts, and the standard deviation √Σ w²σ² of the noise in each.

    Raises:
        InvalidInput: a release answers another index, has another number of counts, or is given twice; max_weight < 1.
    """
    if not releases:
        return None
    seen: set[str] = set()
    for number, release in enumerate(releases, start=1):
        if release.index != index:
            raise InvalidInput(
                f"release {number} answers a probe of index {release.index[:12]}…, this is index {index[:12]}…: "
                "select from the index whose probe was answered"
            )
        if len(release.counts) != clusters:
            raise InvalidInput(
                f"release {number} has {len(release.counts)} counts, the index has {clusters} clusters"
            )
        if release.fingerprint in seen:
            raise InvalidInput(f"release {number} is given twice; each counts once")
        seen.add(release.fingerprint)
    w = weights(releases, max_weight)
    counts = w @ np.array([release.counts for release in releases], np.float64)
    sigmas = np.array([release.privacy.sigma for release in releases])
    return Coverage(counts, float(np.linalg.norm(w * sigmas)))


def weights(releases: Sequence[Release], max_weight: float = MAX_WEIGHT) -> NDArray[np.float64]:
    """What each release counts, (n,) in (0, 1]: all 1 for fewer than three.

    Args:
        releases: one or more, of equally many counts.
        max_weight: the most mass of one release, in medians; infinity for no bound.

    Raises:
        InvalidInput: max_weight < 1.
    """
    if not max_weight >= 1:
        raise InvalidInput(f"--max-weight must be at least 1 (inf for no bound), not {max_weight}")
    masses = np.array([np.abs(release.counts.astype(np.float64)).sum() for release in releases])
    most = max_weight * max(float(np.median(masses)), 1.0)
    if len(releases) < FEWEST_TO_CAP:
        return np.ones(len(releases))
    scaled: NDArray[np.float64] = np.minimum(1.0, most / np.maximum(masses, 1.0))
    return scaled
