"""Ranking a pool by what clients answered: arrays in, rows out, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.one_thread import one_thread
from proxyset.cloud.select.combine import DEFAULT_RULE, MAX_WEIGHT, Rule, Weighed, weigh
from proxyset.cloud.select.limits import Limits, share_out
from proxyset.cloud.select.strategies import DEFAULT_STRATEGY, STRATEGIES
from proxyset.cloud.select.strategy import Candidates, Coverage, Ranking, Strategy
from proxyset.errors import InvalidInput
from proxyset.wire.release import Release


class Indexed(Protocol):
    """What is needed of an index (`cloud.index.Index`), which lies a module above."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def centroids(self) -> NDArray[np.float32]: ...

    def candidates(self, metadata: bool = False) -> Candidates: ...


@dataclass(frozen=True)
class Ranked(Ranking):
    """A ranking, and what it was made of.

    Attributes:
        clusters: (B,) int32, the cluster of each row.
        strategy: name of the strategy.
        weighed: what each release counted; None where a coverage was given.
        groupings: the pool's own columns that the strategy could look at, sorted.
        pool: what was ranked.
        coverage: what the releases say together; None without one.
    """

    clusters: NDArray[np.int32]
    strategy: str
    weighed: Weighed | None
    groupings: tuple[str, ...]
    pool: Candidates = field(repr=False)
    coverage: Coverage | None = field(repr=False)


@one_thread()
def rank(
    pool: Candidates | Indexed,
    releases: Release | Sequence[Release] | Coverage,
    budget: int,
    strategy: str | Strategy = DEFAULT_STRATEGY,
    seed: int = 0,
    *,
    max_weight: float = MAX_WEIGHT,
    rule: Rule = DEFAULT_RULE,
    metadata: bool = True,
    limits: Limits | None = None,
) -> Ranked:
    """Rank the items of a pool by what clients answered. Nothing is read but the pool, and nothing is written.

    BLAS has one thread meanwhile, so that the rows do not follow the number of cores; an engine uses them.

    Args:
        pool: an index, or arrays of your own.
        releases: one or more, or their files (`releases.ReleaseFiles`); none for strategies that ask the client nothing. A
            coverage where counts are known otherwise.
        budget: number of items; the whole pool when that is smaller.
        strategy: a name, "module:Class", or an object (see `Strategy`).
        seed: of the strategy's own randomness: the same seed gives the same rows.
        max_weight: with three releases or more, the most that one may weigh, in medians (`select.combine`).
        rule: how releases of several clients are added up: "capped", "robust" or "sum" (`select.combine`).
        metadata: of an index, let the strategy see the sources and labels that the pool itself names.
        limits: which rows may be chosen, which were chosen before, and the least share of each group (`cloud.curation` makes
            them from an index's columns and other public sets).

    Returns:
        min(budget, rows that may be chosen) distinct rows, best first, with a score and a reason each. Any prefix is itself a
        selection.

    Raises:
        InvalidInput: budget < 1, max_weight < 1, unknown strategy or rule, a release of another index, two of one client, none
            where one is needed, counts for another number of clusters, limits that leave nothing or shares of more than all,
            or a strategy that returns what is no ranking.
        ArtifactError: the index is damaged, or a release's receipt is not its own.

    Guarantee:
        Post-processing: it reads releases, never private data, and costs no privacy however often it is called.

    Source:
        Hong et al., NeurIPS 2022 (ECOS), for "ecos"; docs/selection.md for the default.
    """
    if budget < 1:
        raise InvalidInput(f"the budget must be at least 1, not {budget}")
    chosen = STRATEGIES.load(strategy)
    R = len(pool.centroids)
    weighed: Weighed | None = None
    coverage: Coverage | None = None
    if isinstance(releases, Coverage):
        coverage = releases
        if coverage.counts.shape != (R,):
            raise InvalidInput(
                f"the coverage has counts of shape {coverage.counts.shape}, the pool has {R} clusters"
            )
    else:
        found = [releases] if isinstance(releases, Release) else releases
        index = pool.fingerprint or (found[0].index if found else "")
        weighed = weigh(found, index, R, max_weight, rule)
        coverage = weighed.total(found) if found else None
    if chosen.needs_release and coverage is None:
        raise InvalidInput(f"the strategy {chosen.name!r} needs at least one release")
    candidates = pool if isinstance(pool, Candidates) else pool.candidates(metadata)
    ranking = _limited(candidates, coverage, chosen, budget, seed, limits or Limits())
    return Ranked(
        ranking.rows,
        ranking.scores,
        ranking.reasons,
        candidates.clusters_of(ranking.rows),
        chosen.name,
        weighed,
        tuple(sorted(candidates.groups)),
        candidates,
        coverage,
    )


def _limited(
    pool: Candidates,
    coverage: Coverage | None,
    strategy: Strategy,
    budget: int,
    seed: int,
    limits: Limits,
) -> Ranking:
    """A ranking of the rows that may be chosen, in row numbers of the pool."""
    rows = limits.open_rows(len(pool))
    part = pool if rows is None else pool.part(rows, limits.chosen)
    count = min(budget, len(part))
    ranking = strategy.rank(part, coverage, count, np.random.default_rng([seed, 3]))
    _check(ranking, strategy.name, count, len(part))
    if limits.groups is not None and limits.least is not None:
        before = limits.chosen if limits.chosen is not None else np.empty(0, np.intp)
        every = np.arange(len(pool)) if rows is None else rows
        picked = np.concatenate([before, every[ranking.rows]])

        def more(some: NDArray[np.intp], wanted: int) -> Ranking:
            rng = np.random.default_rng([seed, 3, int(some[0])])
            found = strategy.rank(pool.part(every[some], picked), coverage, wanted, rng)
            _check(found, strategy.name, wanted, len(some))
            return Ranking(some[found.rows], found.scores, found.reasons)

        ranking = share_out(ranking, limits.groups[every], limits.least, count, more)
    return ranking if rows is None else Ranking(rows[ranking.rows], ranking.scores, ranking.reasons)


def _check(ranking: Ranking, strategy: str, count: int, items: int) -> None:
    rows = np.asarray(ranking.rows)
    lengths = {len(rows), len(ranking.scores), len(ranking.reasons)}
    if lengths != {count}:
        raise InvalidInput(
            f"the strategy {strategy!r} returned {len(rows)} rows, {len(ranking.scores)} scores and {len(ranking.reasons)} "
            f"reasons; asked for were {count} of {items} items"
        )
    if (
        rows.dtype.kind not in "iu"
        or len(np.unique(rows)) < count
        or not (0 <= rows.min() <= rows.max() < items)
    ):
        raise InvalidInput(
            f"the strategy {strategy!r} returned rows that are not {count} distinct whole numbers from 0 to {items - 1}"
        )
