"""Many clients' releases as one coverage, so that no single one decides.

Each release keeps its own guarantee and carries its own noise; what is done here is post-processing, and nobody is trusted to
add anything up in secret. Three rules:

    sum       Σ counts. Each client has as much say as it has counts, true or not. Counts
              are in records here, whatever grid they came on.
    capped    Σ w·counts. With three releases or more w bounds what one may bring (the default).
    robust    as `robust.total`: one client moves no cluster by more than its noise could, or the spread between clients.

Weights, from three releases on (of two, the median is no judge). One that is noisier than the median σ counts by the square
of that ratio, or its noise would drown all others; lying about σ gains nothing for the same reason. With "capped" one whose
mass Σ|count| exceeds `max_weight` times the median mass is scaled down to that: nobody can tell a lie from a large client, so
weight is what is bounded. Fewer than half of the clients cannot move a median beyond what honest ones sent; one poisoned
release among n like ones then holds at most max_weight / (max_weight + n − 1) of the mass: with the default 3, 60 % of three,
25 % of ten, 3 % of a hundred. The price: an honest client that is larger than that is cut, too.

Releases are read one after another, twice, and never held together; what stays of each is its name and its privacy statement,
2 KiB. Only `robust` holds counts, at most 64 MiB of them, and reads more often where that is too little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select import robust
from proxyset.cloud.select.strategy import Coverage
from proxyset.errors import InvalidInput
from proxyset.wire.lineage import UNSIGNED, Draw
from proxyset.wire.release import Release

Rule = Literal["capped", "robust", "sum"]
RULES: tuple[Rule, ...] = get_args(Rule)
DEFAULT_RULE: Rule = "capped"
MAX_WEIGHT = 3.0
FEWEST_TO_WEIGH = 3


@dataclass(frozen=True)
class Weighed:
    """Releases that may be combined, and what each counts.

    Attributes:
        rule: how they will be combined.
        draws: each release, as the lineage of what is made of it names it.
        weights: (n,) in (0, 1].
        noises: (n,), the scale of the noise of each.
    """

    rule: Rule
    draws: list[Draw]
    weights: NDArray[np.float64]
    noises: NDArray[np.float64]

    def total(self, releases: Sequence[Release]) -> Coverage:
        """Combine the releases that were weighed, in the same order.

        Returns:
            The sum, and the standard deviation of its noise: √Σ w²σ², times `robust.INFLATION` for that rule.
        """
        noise = self.weights * self.noises
        if self.rule == "robust" and len(releases) >= FEWEST_TO_WEIGH:
            return Coverage(*robust.total(releases, self.weights, noise))
        counts = np.zeros(len(releases[0].counts))
        for weight, release in zip(self.weights, releases, strict=True):
            counts += weight * release.records
        return Coverage(counts, float(np.linalg.norm(noise)))


def combine(
    releases: Sequence[Release],
    index: str,
    clusters: int,
    max_weight: float = MAX_WEIGHT,
    rule: Rule = DEFAULT_RULE,
) -> Coverage | None:
    """The releases as one coverage; None when there are none. Arguments and errors are those of `weigh`."""
    return weigh(releases, index, clusters, max_weight, rule).total(releases) if releases else None


def weigh(
    releases: Sequence[Release],
    index: str,
    clusters: int,
    max_weight: float = MAX_WEIGHT,
    rule: Rule = DEFAULT_RULE,
) -> Weighed:
    """See that releases belong together, and what each counts.

    Args:
        releases: each with its own, independent noise; may be read from files one by one (`cloud.releases.ReleaseFiles`).
        index: fingerprint of the index.
        clusters: R.
        max_weight: for "capped", the most mass of one release, in medians; infinity for no bound.
        rule: "capped", "robust" or "sum".

    Raises:
        InvalidInput: a release answers another index, has another number of counts, or is given twice; two are signed by one
            client; max_weight < 1; an unknown rule.
        ArtifactError: the receipt in a release is not valid for it.
    """
    if rule not in RULES:
        raise InvalidInput(f"unknown way to combine releases {rule!r}: choose one of {', '.join(RULES)}")
    if not max_weight >= 1:
        raise InvalidInput(f"max_weight must be at least 1 (inf for no bound), not {max_weight}")
    draws, masses, sigmas = [], np.empty(len(releases)), np.empty(len(releases))
    seen: dict[str, int] = {}
    for number, release in enumerate(releases, start=1):
        _check(release, number, index, clusters)
        draw = Draw.of(release)
        draws.append(draw)
        sigmas[number - 1] = release.noise
        masses[number - 1] = np.abs(release.records).sum()
        for name, what in ((draw.release, "given twice"), (draw.owner, "of one client")):
            if name != UNSIGNED and (first := seen.setdefault(name, number)) != number:
                raise InvalidInput(
                    f"releases {first} and {number} are {what}: each counts once, leave one out"
                )
    weights = np.ones(len(releases))
    if len(releases) >= FEWEST_TO_WEIGH and rule != "sum":
        weights = np.minimum(1.0, (np.median(sigmas) / sigmas) ** 2)
        if rule == "capped":
            masses = np.maximum(weights * masses, 1.0)
            weights *= np.minimum(1.0, max_weight * np.median(masses) / masses)
    return Weighed(rule, draws, weights, sigmas)


def _check(release: Release, number: int, index: str, clusters: int) -> None:
    if release.index != index:
        raise InvalidInput(
            f"release {number} answers a probe of index {release.index[:12]}…, this is index {index[:12]}…: "
            "select from the index whose probe was answered"
        )
    if len(release.counts) != clusters:
        raise InvalidInput(
            f"release {number} has {len(release.counts)} counts, the index has {clusters} clusters"
        )
