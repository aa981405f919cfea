"""The vote: how many private records are nearest to each centroid, with a bound on the length of one person's votes.

Two things make the sensitivity hold on a real computer, not only on paper.

A record's vote depends on that record alone: `Voter` does exact arithmetic on whole numbers, so that neither the records beside
it nor the order of a sum can change a bit.

A person's votes are added up, all of them, and scaled down where they are longer than the bound: `clipped` takes nothing but these
votes, and is exact arithmetic on whole numbers too. No record is chosen, and no noise is paid for records that a person has
not: m records in m clusters have length √m, where the worst case of m records, all in one cluster, has m.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement

_BLOCK_BYTES = 4 << 20
_FINEST = 800  # 2⁸⁰⁰: so fine is every float32, and every number that comes of some


@dataclass(frozen=True)
class Records:
    """Some private records, encoded.

    Attributes:
        ids: one string a record, for the owner to find it by.
        X: (n, d) float32 features, finite.
        persons: whose each record is, none of them ""; empty when the unit is a record.
        labels: the owner's label of each record; empty where none are asked for.
    """

    ids: list[str]
    X: NDArray[np.float32]
    persons: Sequence[str] = field(default_factory=list)
    labels: Sequence[str] = field(default_factory=list)


def count_votes(batches: Iterable[Records], probe: Probe, privacy: PrivacyStatement) -> NDArray[np.int64]:
    """How many records are nearest to each centroid. Not private yet: it goes to `gate` only.

    Args:
        batches: the private data; one pass, one batch in memory at a time, and of each person how often each cluster.
        probe: whose R centroids are voted for.
        privacy: the statement that the noise will be drawn for: its unit, and of a person its bound and its grid.

    Returns:
        (R,) int64, each ≥ 0, in units of privacy.grid.

    Sensitivity:
        Adding or removing one record moves one count by 1. Adding or removing one person moves the counts by what `clipped` makes
        of this person's records, ℓ2 ≤ grid · √max_records. Replacing a unit moves them by √2 times that at most.
    Unit:
        One record, or one person with all of their records.
    Guarantee:
        None by itself; noise makes it private.
    Assumes:
        Features of a record depend on that record alone; `persons` names every person by one name only.
    """
    voter = Voter(probe)
    counts = np.zeros(probe.clusters, np.int64)
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for batch in batches:
        labels = voter(batch.X)
        if privacy.unit == "record":
            counts += np.bincount(labels, minlength=len(counts))
            continue
        for label, person in zip(labels.tolist(), batch.persons, strict=True):
            votes[person][label] += 1
    for one in votes.values():
        for label, weight in clipped(one, privacy.max_records, privacy.grid).items():
            counts[label] += weight
    return counts


def clipped(votes: Mapping[int, int], max_records: int, grid: int) -> dict[int, int]:
    """A person's votes h on a grid, scaled down to a length of C = √max_records where they are longer: grid · h · min(1, C / ‖h‖₂).

    What scaling leaves of each is rounded toward zero: u_j = ⌊√⌊(grid · h_j)² · max_records / Σ h²⌋⌋, in whole numbers of any
    size, so that Σ u² ≤ Σ (grid · h_j)² · max_records / Σ h² = grid² · max_records. Votes within the bound are kept whole.

    Args:
        votes: cluster → how many of the person's records, each ≥ 1.

    Returns:
        Cluster → its share, ≥ 0.

    Sensitivity:
        Σ u² ≤ grid² · max_records.
    Unit:
        One person: the result is a function of this person's votes and of public numbers alone.
    Guarantee:
        None by itself.
    Assumes:
        Nothing.
    """
    square = sum(count * count for count in votes.values())
    if square <= max_records:
        return {label: grid * count for label, count in votes.items()}
    return {label: math.isqrt((grid * count) ** 2 * max_records // square) for label, count in votes.items()}


class Voter:
    """The nearest centroid of each record, by exact arithmetic: a function of that record and the probe alone.

    A matrix product of floats rounds a row differently when other rows stand beside it. So no product here rounds. The probe
    alone decides weights W and biases b with

        argmin_j ‖z(x) − c_j‖²  =  argmax_j (x − o)·W_j − b_j,        z(x) = x P, or x without a projection P

    (o = the centroids' mean without a projection, else 0; W_j = P (c_j − c̄)). W goes on a grid of integers of at most 2ᵖ, and
    each record, by its own largest feature, on one of at most 2ᵖ, both by powers of two. For d features p = ⌊(52 − ⌈log₂ d⌉) / 2⌋,
    so every product, and every sum of them in any order and with any grouping, is an integer of at most 2⁵²: float64 holds it
    exactly. The bias, in the record's own unit and rounded to a whole number, is at most 2⁵², so their difference is exact too.
    What remains is rounding of one number by itself, which nothing else can influence. Of equally near centroids the lowest
    number wins.

    Where a projection makes the weights larger than the probe (R d > (d + R) D), the record is projected first, by the same
    exact product, and the result is put on a grid again.

    Args:
        probe: centroids and projection, finite.

    Sensitivity:
        One label a record; equal records get equal labels, whatever stands beside them.
    Unit:
        One record.
    Guarantee:
        None by itself.
    Assumes:
        Products and sums of whole numbers below 2⁵³ are exact in float64 (IEEE 754), in this machine's BLAS too: one that adds
        up plain products, in whatever order, fused or not.
    """

    def __init__(self, probe: Probe) -> None:
        C = probe.centroids.astype(np.float64)
        mean = C.mean(axis=0)
        moved, (R, D), d = C - mean, C.shape, probe.encoder.dim
        half_norms = 0.5 * np.einsum("ij,ij->i", moved, moved)
        P = None if probe.projection is None else probe.projection.astype(np.float64)
        self._first = _Product(P.T) if P is not None and R * d > (d + R) * D else None
        if P is None or self._first:
            self._origin, self._scores = mean, _Product(moved, half_norms)
        else:
            self._origin, self._scores = np.zeros(d), _Product(moved @ P.T, moved @ mean + half_norms)

    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Labels of `X`: (n, d) float32, finite → (n,) int64 in [0, R)."""
        labels = np.empty(len(X), np.int64)
        step = max(1, _BLOCK_BYTES // (8 * max(self._scores.shape)))
        for start in range(0, len(X), step):
            Z = X[start : start + step].astype(np.float64)
            if self._first:
                Z = self._first(Z)
            Z -= self._origin
            labels[start : start + step] = self._scores(Z).argmax(axis=1)
        return labels


class _Product:
    """x ↦ M x − b for rows x, exact but for the rounding of x, M and b to grids; see `Voter`.

    Args:
        M: (k, d) float64, finite. b: (k,), finite; none for 0.
    """

    def __init__(self, M: NDArray[np.float64], b: NDArray[np.float64] | None = None) -> None:
        self.shape = M.shape
        self._bits = (52 - math.ceil(math.log2(M.shape[1]))) // 2
        self._exponent = self._bits - _exponent(M)
        self._M = np.ascontiguousarray(np.rint(np.ldexp(M, self._exponent)).T)
        self._b = None if b is None else np.ldexp(b, self._exponent)
        # no record is put on so fine a grid that a bias would pass 2⁵² there
        self._finest = _FINEST if self._b is None else min(_FINEST, 52 - _exponent(self._b))

    def __call__(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) finite, overwritten → (n, k): with biases in the unit of each row, without them as they are."""
        _, exponents = np.frexp(np.maximum(X.max(axis=1), -X.min(axis=1)))
        shift = np.minimum(self._bits - exponents, self._finest)
        X *= np.ldexp(1.0, shift)[:, None]
        products: NDArray[np.float64] = np.rint(X, out=X) @ self._M
        if self._b is None:
            products *= np.ldexp(1.0, -shift - self._exponent)[:, None]
            return products
        scales, which = np.unique(np.ldexp(1.0, shift), return_inverse=True)
        products -= np.rint(scales[:, None] * self._b)[which]
        return products


def _exponent(M: NDArray[np.float64]) -> int:
    """The least e with |M| < 2ᵉ everywhere."""
    return int(np.frexp(np.abs(M).max())[1])
