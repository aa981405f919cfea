"""Drawing rows of a pool without replacement: by keys, so that every part of it can be looked at alone.

The Gumbel top-k trick (Kool, van Hoof and Welling 2019): the rows with the largest log weight + Gumbel noise are drawn one after
another with probability ∝ weight. Every part of a pool returns its own best, and the best of those are drawn.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.parts import BLOCK, Block, Part
from proxyset.cloud.select.strategy import Candidates

Weighing = Callable[[Block], NDArray[np.float64]]


@dataclass(frozen=True)
class Drawn:
    """Rows, and the keys that they were drawn by.

    Attributes:
        rows: (m,) row numbers.
        keys, log_weights: (m,) float64.
        Z: (m, D) float32.
    """

    rows: NDArray[np.intp]
    keys: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    Z: NDArray[np.float32]

    def at(self, places: NDArray[np.intp]) -> Drawn:
        return Drawn(self.rows[places], self.keys[places], self.log_weights[places], self.Z[places])

    def in_order(self) -> Drawn:
        return self.at(np.lexsort((self.rows, -self.keys)))


def draw(candidates: Candidates, log_weight: Weighing, count: int, rng: np.random.Generator) -> Drawn:
    """Rows drawn one after another without replacement, with probability ∝ exp(log weight).

    Args:
        candidates: the pool, or a part of it.
        log_weight: (m,) finite, of a block of `candidates.whole`; picklable, for an index on an engine.
        count: rows to draw, at most as many as there are.
        rng: public randomness, of a kind that can be advanced: row i takes its i-th number, whatever the parts are.

    Returns:
        (count,) distinct rows, numbered as the candidates are, in the order drawn. Held are `count` rows and a block, and those
        that a part on an engine returns.
    """
    whole, rows = candidates.whole, candidates.rows
    given: dict[int, tuple[NDArray[np.intp] | None, int]] = {}
    for number, part in enumerate(whole.parts):
        if rows is None:
            given[number] = (None, part.start)
        else:
            low, high = np.searchsorted(rows, [part.start, part.start + len(part)])
            if low < high:
                given[number] = (rows[low:high], int(low))
    function = partial(
        _of_part, log_weight=log_weight, count=count, dim=candidates.centroids.shape[1], rng=rng
    )
    best = Best(count, candidates.centroids.shape[1])
    for _, found in whole.each(function, given):
        best.add(found)
    return best.found().in_order()


class Best:
    """The rows with the largest keys, of all that were added, and of equal ones the first; holds three times as many at most.

    Attributes:
        least: a key that what is added must exceed to be among them; rows are added in order.
    """

    def __init__(self, count: int, dim: int) -> None:
        self._count = count
        self._held = [Drawn(np.empty(0, np.intp), np.empty(0), np.empty(0), np.empty((0, dim), np.float32))]
        self.least = -np.inf

    def add(self, drawn: Drawn) -> None:
        self._held.append(drawn.at(np.flatnonzero(drawn.keys > self.least)))
        if sum(len(each.keys) for each in self._held) > 2 * self._count:
            self.found()

    def found(self) -> Drawn:
        columns = zip(*((h.rows, h.keys, h.log_weights, h.Z) for h in self._held), strict=True)
        every = Drawn(*(np.concatenate(column) for column in columns))
        if len(every.keys) > self._count:
            every = every.at(np.lexsort((every.rows, -every.keys))[: self._count])
            self.least = float(every.keys.min())
        self._held = [every]
        return every


def _of_part(
    part: Part,
    given: tuple[NDArray[np.intp] | None, int],
    log_weight: Weighing,
    count: int,
    dim: int,
    rng: np.random.Generator,
) -> Drawn:
    """The best `count` of a part: of the rows given, of which the first is number `number` of all that may be drawn."""
    rows, number = given
    stream = _advanced(rng, number)
    best = Best(count, dim)
    for block in part.blocks():
        weights, Z = log_weight(block), block.Z
        if rows is not None:
            low, high = np.searchsorted(rows, [block.start, block.start + len(block)])
            some = rows[low:high] - block.start
            weights, Z = weights[some], Z[some]
        keys = weights + stream.gumbel(size=len(weights))
        best.add(Drawn(number + np.arange(len(weights)), keys, weights, Z))
        number += len(weights)
    return best.found()


def draw_evenly(rows: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(count,) of `rows` row numbers drawn without replacement, all alike; a smaller count gives the first of them."""
    keys: NDArray[np.float64] = np.empty(0)
    numbers: NDArray[np.intp] = np.empty(0, np.intp)
    for start in range(0, rows, BLOCK):
        stop = min(start + BLOCK, rows)
        keys = np.concatenate([keys, rng.random(stop - start)])
        numbers = np.concatenate([numbers, np.arange(start, stop)])
        if len(keys) > count:
            kept = np.argpartition(keys, count - 1)[:count]
            keys, numbers = keys[kept], numbers[kept]
    drawn: NDArray[np.intp] = numbers[np.lexsort((numbers, keys))]
    return drawn


def draw_of_clusters(
    candidates: Candidates, shares: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows drawn without replacement, shares[j] of cluster j, all of its rows alike.

    Args:
        candidates: the pool.
        shares: (R,) at most as many as the cluster has.
        rng: as for `draw`.

    Returns:
        (Σ shares,) row numbers, in order. Held are twice as many, and those that a part on an engine returns.
    """
    kept = _Least(np.empty(0, np.intp), np.empty(0), np.empty(0, np.int32))
    for _, found in candidates.each(partial(_least_of_part, shares=shares, rng=rng)):
        kept = kept.joined(found).least(shares)
    return np.sort(kept.rows)


@dataclass(frozen=True)
class _Least:
    """Rows, their keys and their clusters."""

    rows: NDArray[np.intp]
    keys: NDArray[np.float64]
    clusters: NDArray[np.int32]

    def joined(self, other: _Least) -> _Least:
        return _Least(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.clusters, other.clusters]),
        )

    def least(self, shares: NDArray[np.intp]) -> _Least:
        """The shares[j] rows of each cluster j with the smallest keys."""
        order = np.lexsort((self.rows, self.keys, self.clusters))
        ordered = self.clusters[order]
        place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        few = order[place < shares[ordered]]
        return _Least(self.rows[few], self.keys[few], self.clusters[few])


def _least_of_part(part: Part, given: None, shares: NDArray[np.intp], rng: np.random.Generator) -> _Least:
    keys = _advanced(rng, part.start).random(len(part))
    rows = part.start + np.arange(len(part))
    return _Least(rows, keys, part.clusters()).least(shares)


def _advanced(rng: np.random.Generator, numbers: int) -> np.random.Generator:
    """A generator of the same stream, some numbers further on."""
    bits = copy.deepcopy(rng.bit_generator)
    bits.advance(numbers)  # type: ignore[attr-defined]
    return np.random.Generator(bits)
