"""What a selection strategy sees and returns. Everything here is post-processing of a release: it costs no privacy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.rows import rows_of

_BLOCK = 1 << 18


@dataclass(frozen=True)
class Candidates:
    """The pool as selection sees it.

    Attributes:
        Z: (n, D) float32, principal components in units of the pool's spread.
        clusters: (n,) int32 in [0, R).
        centroids: (R, D) float32.
        groupings: what the pool says of its items: column → (n,) uint8 group codes (`cloud.metadata`). May be empty.
        fingerprint: of the index that they were taken from; None for arrays of your own.
        whole: the pool that these are a part of, where not all of it may be chosen; None where these are all. What an answer
            says is about all of it.
        rows: (n,) their row numbers in `whole`, in order.
        chosen: (k, D) float32 components of items that were chosen before.
    """

    Z: NDArray[np.float32]
    clusters: NDArray[np.int32]
    centroids: NDArray[np.float32]
    groupings: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    fingerprint: str | None = None
    whole: Candidates | None = None
    rows: NDArray[np.intp] | None = None
    chosen: NDArray[np.float32] | None = None

    def part(self, rows: NDArray[np.intp], chosen: NDArray[np.intp] | None = None) -> Candidates:
        """Some of the items, 4·D bytes each in memory.

        Args:
            rows: (m,) distinct row numbers, in order.
            chosen: (k,) rows that were chosen before.
        """
        return Candidates(
            rows_of(self.Z, rows),
            self.clusters[rows],
            self.centroids,
            {name: codes[rows] for name, codes in self.groupings.items()},
            self.fingerprint,
            self,
            rows,
            None if chosen is None else rows_of(self.Z, chosen),
        )

    def __len__(self) -> int:
        return len(self.Z)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(R,) items in each cluster."""
        return np.bincount(self.clusters, minlength=len(self.centroids))

    @cached_property
    def _members(self) -> NDArray[np.signedinteger]:
        """(n,) row numbers, cluster by cluster; 4 bytes an item where those are enough, and no temporary copy of all."""
        n = len(self.clusters)
        order: NDArray[np.signedinteger] = np.empty(n, np.int32 if n < 1 << 31 else np.int64)
        place = self._starts[:-1].copy()  # where each cluster's next member goes
        for start in range(0, n, _BLOCK):
            block = self.clusters[start : start + _BLOCK]
            rows = np.argsort(block, kind="stable")
            present, first, counts = np.unique(block[rows], return_index=True, return_counts=True)
            within = np.arange(len(block)) - np.repeat(first, counts)
            order[np.repeat(place[present], counts) + within] = start + rows
            place[present] += counts
        return order

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def members(self, cluster: int) -> NDArray[np.intp]:
        """Row numbers of a cluster's items, in order."""
        return self._members[self._starts[cluster] : self._starts[cluster + 1]].astype(np.intp)


@dataclass(frozen=True)
class Coverage:
    """What the releases say together.

    Attributes:
        counts: (R,) float64, noisy counts summed over the releases.
        sigma: standard deviation of the noise in each count.
    """

    counts: NDArray[np.float64]
    sigma: float


@dataclass(frozen=True)
class Ranking:
    """Chosen rows, best first; any prefix is itself a selection.

    Attributes:
        rows: (B,) distinct row numbers.
        scores: (B,) float64, what the strategy ranked by (its docstring says what).
        reasons: (B,) a word or two for each row.
    """

    rows: NDArray[np.intp]
    scores: NDArray[np.float64]
    reasons: list[str]


class Strategy(Protocol):
    """A rule that turns a release into a ranking. `docs/extend.md` has one of 20 lines."""

    @property
    def name(self) -> str:
        """What it is called in cards and tables."""
        ...

    @property
    def needs_release(self) -> bool:
        """Whether it has no meaning without an answer from a client."""
        ...

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        """Exactly `budget` distinct rows, 1 ≤ budget ≤ n, best first.

        Args:
            candidates: the pool.
            coverage: what the releases say; given whenever `needs_release`, and elsewhere where there are any.
            budget: number of rows.
            rng: the only randomness that may be used, so that a seed gives the same rows again.
        """
        ...
