"""Selection: from releases to a ranking of the pool. All of it is post-processing and costs no privacy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxyset.cloud.select.baselines import KCenter, Random, UniformCluster
from proxyset.cloud.select.ecos import Ecos
from proxyset.cloud.select.facility_location import FacilityLocation
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking, Strategy
from proxyset.errors import InvalidInput
from proxyset.wire.release import Release

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (Ecos(), Random(), KCenter(), UniformCluster(), FacilityLocation())
}
DEFAULT_STRATEGY = "ecos"

__all__ = [
    "DEFAULT_STRATEGY",
    "STRATEGIES",
    "Candidates",
    "Coverage",
    "Ranking",
    "Strategy",
    "combine",
    "find_strategy",
]


def find_strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        InvalidInput: there is none.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        raise InvalidInput(
            f"unknown strategy {name!r}: choose one of {', '.join(sorted(STRATEGIES))}"
        ) from None


def combine(releases: Sequence[Release], index: str, clusters: int) -> Coverage | None:
    """Sum the counts of releases that answer probes of one index; None when there are none.

    Args:
        releases: each with its own, independent noise.
        index: fingerprint of the index.
        clusters: R.

    Raises:
        InvalidInput: a release answers another index, has another number of counts, or is given twice.
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
    counts = np.sum([release.counts.astype(np.float64) for release in releases], axis=0)
    return Coverage(counts, float(np.sqrt(sum(release.privacy.sigma**2 for release in releases))))
