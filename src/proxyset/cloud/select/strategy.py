"""What a selection strategy sees and returns. Everything here is post-processing of a release: it costs no privacy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Candidates:
    """The pool as selection sees it.

    Attributes:
        Z: (n, D) float32, principal components in units of the pool's spread.
        clusters: (n,) int32 in [0, R).
        centroids: (R, D) float32.
    """

    Z: NDArray[np.float32]
    clusters: NDArray[np.int32]
    centroids: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.Z)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(R,) items in each cluster."""
        return np.bincount(self.clusters, minlength=len(self.centroids))

    @cached_property
    def _members(self) -> list[NDArray[np.intp]]:
        order = np.argsort(self.clusters, kind="stable")
        return np.split(order, np.cumsum(self.sizes)[:-1])

    def members(self, cluster: int) -> NDArray[np.intp]:
        """Row numbers of a cluster's items, in order."""
        return self._members[cluster]


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
    """A rule that turns a release into a ranking."""

    @property
    def name(self) -> str: ...

    @property
    def needs_release(self) -> bool: ...

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        """Exactly `budget` distinct rows, 1 ≤ budget ≤ n. `coverage` is given whenever `needs_release`."""
        ...
