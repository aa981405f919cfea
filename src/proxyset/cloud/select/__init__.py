"""Selection: from releases to a ranking of the pool. All of it is post-processing and costs no privacy."""

from __future__ import annotations

from proxyset.cloud.select.combine import DEFAULT_RULE, MAX_WEIGHT, RULES, Rule, combine, weigh
from proxyset.cloud.select.rank import Ranked, rank
from proxyset.cloud.select.strategies import DEFAULT_STRATEGY, STRATEGIES
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking, Strategy

__all__ = [
    "DEFAULT_RULE",
    "DEFAULT_STRATEGY",
    "MAX_WEIGHT",
    "RULES",
    "STRATEGIES",
    "Candidates",
    "Coverage",
    "Ranked",
    "Ranking",
    "Rule",
    "Strategy",
    "combine",
    "rank",
    "weigh",
]
