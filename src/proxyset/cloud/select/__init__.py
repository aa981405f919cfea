"""Selection: from releases to a ranking of the pool. All of it is post-processing and costs no privacy."""

from __future__ import annotations

from proxyset.cloud.select.baselines import KCenter, Random, UniformCluster
from proxyset.cloud.select.combine import DEFAULT_RULE, MAX_WEIGHT, RULES, Rule, combine, weigh
from proxyset.cloud.select.density_ratio import DensityRatio
from proxyset.cloud.select.ecos import Ecos
from proxyset.cloud.select.facility_location import FacilityLocation
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking, Strategy
from proxyset.errors import InvalidInput

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (DensityRatio(), Ecos(), FacilityLocation(), Random(), KCenter(), UniformCluster())
}
DEFAULT_STRATEGY = "density-ratio"

__all__ = [
    "DEFAULT_RULE",
    "DEFAULT_STRATEGY",
    "MAX_WEIGHT",
    "RULES",
    "STRATEGIES",
    "Candidates",
    "Coverage",
    "Ranking",
    "Rule",
    "Strategy",
    "combine",
    "find_strategy",
    "weigh",
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
