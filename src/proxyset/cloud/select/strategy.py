"""What a selection strategy sees and returns. Everything here is post-processing of a release: it costs no privacy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.executor import Executor, LocalExecutor
from proxyset.cloud.one_thread import one_thread
from proxyset.cloud.select import parts
from proxyset.cloud.select.parts import Part, Rows, Slice
from proxyset.cloud.select.rows import rows_of

Result = TypeVar("Result")


@dataclass(frozen=True, repr=False, eq=False)
class Candidates:
    """The pool as selection sees it: as arrays, and part by part.

    A strategy that maps over parts (`each`) holds what it keeps and one block; one that looks at the arrays holds the pool, which
    an index of more than 512 MiB (`cloud.shard_parts`) puts into a scratch file.

    Attributes:
        Z: (n, D) float32, principal components in units of the pool's spread.
        clusters: (n,) int32 in [0, R).
        centroids: (R, D) float32.
        groupings: what the pool says of its items: column → (n,) uint8 group codes (`cloud.metadata`). May be empty.
        fingerprint: of the index that they were taken from; None for arrays of your own.
        splits: row numbers at which a part begins that is not the first; none for arrays of your own.
        executor: where parts are looked at.
        in_arrays: whether the components are an array already, which takes no reading.
        rows: (n,) their row numbers in `whole`, in order; None where these are all.
        chosen: (k, D) float32 components of items that were chosen before.
    """

    Z: NDArray[np.float32]
    clusters: NDArray[np.int32]
    centroids: NDArray[np.float32]
    groupings: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    fingerprint: str | None = None
    splits: tuple[int, ...] = ()
    executor: Executor = field(default=LocalExecutor(), init=False)
    in_arrays: bool = field(default=True, init=False)
    rows: NDArray[np.intp] | None = field(default=None, init=False)
    chosen: NDArray[np.float32] | None = field(default=None, init=False)

    @property
    def whole(self) -> Candidates:
        """The pool that these are a part of, where not all of it may be chosen. What an answer says is about all of it."""
        return self

    def part(self, rows: NDArray[np.intp], chosen: NDArray[np.intp] | None = None) -> Candidates:
        """Some of the items; 4·D bytes each in memory, once their components are looked at.

        Args:
            rows: (m,) distinct row numbers, in order.
            chosen: (k,) rows that were chosen before.
        """
        return _Some(self, rows, chosen)

    def __len__(self) -> int:
        return len(self.Z)

    @cached_property
    def parts(self) -> Sequence[Part]:
        bounds = [0, *self.splits, len(self)]
        return [Slice(self.Z, self.clusters, self.groupings, start, stop) for start, stop in pairwise(bounds)]

    def each(
        self, function: Callable[[Part, Any], Result], given: Mapping[int, Any] | None = None
    ) -> Iterator[tuple[int, Result]]:
        """(number, function(part, what was given for it)) of every part, or of those that something is given for; in any order.

        Args:
            function: picklable, for an index on an engine: of a module that its workers have, too.
            given: number of a part → second argument; None for all parts and no second argument.
        """
        numbers: Mapping[int, Any] = dict.fromkeys(range(len(self.parts))) if given is None else given
        tasks = [(number, self.parts[number], what) for number, what in numbers.items()]
        return self.executor.run(partial(_call, function), tasks)

    @cached_property
    def groups(self) -> dict[str, int]:
        """Column of `groupings` → how many codes it has."""
        return {name: int(codes.max()) + 1 for name, codes in self.groupings.items()}

    @cached_property
    def part_sizes(self) -> NDArray[np.int64]:
        """(parts, R) items of each part in each cluster."""
        sizes = np.zeros((len(self.parts), len(self.centroids)), np.int64)
        for number, found in self.each(partial(_count, clusters=len(self.centroids))):
            sizes[number] = found
        return sizes

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(R,) items in each cluster."""
        return np.asarray(self.part_sizes.sum(axis=0))

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Some rows, in the order given."""
        codes = {name: codes[rows] for name, codes in self.groupings.items()}
        return Rows(rows, rows_of(self.Z, rows), self.clusters[rows], codes)

    def clusters_of(self, rows: NDArray[np.intp]) -> NDArray[np.int32]:
        """(m,) the clusters of some rows, in the order given."""
        return self.clusters[rows]

    def spread(self, each: int | NDArray[np.int64]) -> Rows:
        """At most `each` rows of every cluster, or so many of each, evenly over their order; cluster by cluster, in order."""
        before = np.cumsum(self.part_sizes, axis=0) - self.part_sizes
        most = np.broadcast_to(np.asarray(each, np.int64), self.sizes.shape)
        found = dict(self.each(partial(parts.spread, sizes=self.sizes, each=most), dict(enumerate(before))))
        rows = self.take(np.concatenate([found[number] for number in sorted(found)]))
        order = np.argsort(rows.clusters, kind="stable")
        codes = {name: codes[order] for name, codes in rows.codes.items()}
        return Rows(rows.rows[order], rows.Z[order], rows.clusters[order], codes)

    def members(self, cluster: int) -> NDArray[np.intp]:
        """Row numbers of a cluster's items, in order."""
        return np.flatnonzero(self.clusters == cluster)


@one_thread()
def _call(function: Callable[[Part, Any], Result], task: tuple[int, Part, Any]) -> tuple[int, Result]:
    number, part, given = task
    return number, function(part, given)


def _count(part: Part, given: None, clusters: int) -> NDArray[np.int64]:
    return np.bincount(part.clusters(), minlength=clusters)


class _Some(Candidates):
    """Some rows of a pool; their arrays are made when they are looked at."""

    rows: NDArray[np.intp]
    _whole: Candidates
    _before: NDArray[np.intp] | None

    def __init__(self, whole: Candidates, rows: NDArray[np.intp], chosen: NDArray[np.intp] | None) -> None:
        taken = ("centroids", "fingerprint", "executor", "groups", "in_arrays")
        self.__dict__ |= {name: getattr(whole, name) for name in taken}
        self.__dict__ |= {"rows": rows, "_whole": whole, "_before": chosen}

    @property
    def whole(self) -> Candidates:
        return self._whole

    @cached_property
    def chosen(self) -> NDArray[np.float32] | None:
        return None if self._before is None or not len(self._before) else self.whole.take(self._before).Z

    @cached_property
    def Z(self) -> NDArray[np.float32]:  # noqa: N802
        return self._taken.Z

    @cached_property
    def clusters(self) -> NDArray[np.int32]:
        return self._taken.clusters

    @cached_property
    def groupings(self) -> Mapping[str, NDArray[np.uint8]]:
        return self._taken.codes

    @cached_property
    def _taken(self) -> Rows:
        return self.whole.take(self.rows)

    @cached_property
    def parts(self) -> Sequence[Part]:
        rows, whole = self.rows, self.whole.parts
        bounds = np.searchsorted(rows, [*(part.start for part in whole), len(self.whole)])
        return [
            parts.Chosen(part, rows[low:high], int(low))
            for part, (low, high) in zip(whole, pairwise(bounds), strict=True)
            if low < high
        ]

    def take(self, rows: NDArray[np.intp]) -> Rows:
        return replace(self.whole.take(self.rows[rows]), rows=rows)

    def clusters_of(self, rows: NDArray[np.intp]) -> NDArray[np.int32]:
        return self.whole.clusters_of(self.rows[rows])

    def __len__(self) -> int:
        return len(self.rows)


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
