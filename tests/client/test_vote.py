from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client.calibration import GRID, privacy_statement
from proxyset.client.vote import Records, Voter, _Product, clipped, count_votes
from proxyset.encoders.encoder import EncoderSpec
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement

RECORD = privacy_statement(1.0)


def of_persons(m: int) -> PrivacyStatement:
    return privacy_statement(1.0, unit="person", max_records=m)


def probe_of(C: np.ndarray, **projection: np.ndarray) -> Probe:
    d = projection["projection"].shape[0] if projection else C.shape[1]
    return Probe.build(
        C.astype(np.float32), EncoderSpec(name="embeddings", dim=d), "a" * 64, dtype="float32", **projection
    )


def in_batches(X: np.ndarray, persons: list[str] | None = None, size: int = 7) -> Iterator[Records]:
    ids = [str(i) for i in range(len(X))]
    for start in range(0, len(X), size):
        part = slice(start, start + size)
        if persons is None:
            yield Records(ids[part], X[part])
        else:
            yield Records(ids[part], X[part], persons[part])


def slow_labels(X: np.ndarray, probe: Probe) -> list[int]:
    labels = []
    for row in X:
        x = row.astype(np.float64)
        if probe.projection is not None:
            x = x @ probe.projection.astype(np.float64)
        labels.append(int(np.argmin([((x - c) ** 2).sum() for c in probe.centroids.astype(np.float64)])))
    return labels


def slow_votes(X: np.ndarray, probe: Probe, persons: list[str] | None = None, m: int = 0) -> np.ndarray:
    """Each person's votes times grid · min(1, √m / ‖h‖), the largest whole numbers that are not above, found by counting up."""
    counts = np.zeros(probe.clusters, np.int64)
    labels = slow_labels(X, probe)
    if persons is None:
        return np.bincount(labels, minlength=probe.clusters)
    for person in set(persons):
        h = Counter(label for label, whose in zip(labels, persons, strict=True) if whose == person)
        square = sum(count**2 for count in h.values())
        for label, count in h.items():
            share = Fraction(
                (GRID * count) ** 2 * min(m, square), square
            )  # the square of what scaling leaves
            counts[label] += next(u for u in range(GRID * count + 1) if (u + 1) ** 2 > share)
    return counts


@given(n=st.integers(0, 60), R=st.integers(1, 12), d=st.integers(1, 6), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_votes_equal_the_slow_reference(n: int, R: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probe = probe_of(rng.normal(size=(R, d)))
    X = rng.normal(size=(n, d)).astype(np.float32)
    counts = count_votes(in_batches(X), probe, RECORD)
    assert counts.dtype == np.int64
    assert (counts == slow_votes(X, probe)).all()


@given(n=st.integers(1, 60), m=st.integers(1, 5), people=st.integers(1, 8), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_bounded_votes_equal_the_slow_reference(n: int, m: int, people: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probe = probe_of(rng.normal(size=(6, 3)), projection=rng.normal(size=(4, 3)), mean=rng.normal(size=4))
    X = rng.normal(size=(n, 4)).astype(np.float32)
    persons = [f"p{i}" for i in rng.integers(people, size=n)]
    counts = count_votes(in_batches(X, persons), probe, of_persons(m))
    assert counts.dtype == np.int64
    assert (counts == slow_votes(X, probe, persons, m)).all()


@given(
    votes=st.dictionaries(st.integers(0, 99), st.integers(1, 10**7), max_size=20),
    m=st.integers(1, 10**6),
    grid=st.integers(1, 1 << 16),
)
@settings(max_examples=300, deadline=None)
def test_a_person_stays_within_the_bound(votes: dict[int, int], m: int, grid: int) -> None:
    """Σ u² ≤ grid² · m in whole numbers; nothing is lost within the bound, and less than 1 of each share beyond it."""
    found = clipped(votes, m, grid)
    assert found.keys() == votes.keys()
    assert all(type(share) is int and share >= 0 for share in found.values())
    assert sum(share**2 for share in found.values()) <= grid**2 * m
    square = sum(count**2 for count in votes.values())
    if square <= m:
        assert found == {label: grid * count for label, count in votes.items()}
    else:
        for label, count in votes.items():
            assert (found[label] + 1) ** 2 * square > (grid * count) ** 2 * m


def test_the_bound_is_met_exactly_at_its_edges() -> None:
    assert clipped({3: 1, 5: 1, 9: 1}, 3, GRID) == {3: GRID, 5: GRID, 9: GRID}  # √3 long: whole
    assert clipped({3: 3}, 9, GRID) == {3: 3 * GRID}
    assert clipped({3: 4}, 9, GRID) == {3: 3 * GRID}  # a root that float64 need not hit
    assert clipped({3: 10**9}, 10**6, GRID) == {3: 1000 * GRID}
    assert clipped({3: 10**9, 4: 1}, 1, GRID) == {3: GRID - 1, 4: 0}
    assert clipped({}, 1, GRID) == {}


@given(n=st.integers(1, 60), m=st.integers(1, 4), seed=st.integers(0, 10**6), size=st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_neighbours_differ_in_one_persons_votes(n: int, m: int, seed: int, size: int) -> None:
    """Row-number ids shift when a person leaves, batches fall elsewhere, and ties abound: what moves is this person's part."""
    rng = np.random.default_rng(seed)
    probe = probe_of(rng.integers(-1, 2, size=(5, 2)))
    X = rng.integers(-2, 3, size=(n, 2)).astype(np.float32)
    persons = [f"p{i}" for i in rng.integers(6, size=n)]
    gone = persons[int(rng.integers(n))]
    stay = [i for i in range(n) if persons[i] != gone]
    left = [i for i in range(n) if persons[i] == gone]
    privacy = of_persons(m)
    before = count_votes(in_batches(X, persons), probe, privacy)
    after = count_votes(in_batches(X[stay], [persons[i] for i in stay], size), probe, privacy)
    alone = count_votes(in_batches(X[left], [gone] * len(left), size), probe, privacy)
    assert (before - after == alone).all()
    assert int((alone**2).sum()) <= GRID**2 * m


def test_a_person_replaced_moves_the_counts_by_root_two_times_the_bound() -> None:
    probe = probe_of(np.eye(4))
    one, other = (
        count_votes(in_batches(np.eye(4)[[row] * 9], ["p"] * 9), probe, of_persons(9)) for row in (0, 1)
    )
    moved = (one - other).tolist()
    assert (
        math.sqrt(sum(step**2 for step in moved))
        == privacy_statement(1.0, unit="person", adjacency="replace-one", max_records=9).l2_sensitivity
    )


def test_a_vote_depends_on_its_record_alone() -> None:
    """Points on the bisector of two centroids, where the last bit decides: any batch gives the same labels."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(40, 96))
    probe = probe_of(np.concatenate([half, -half]))
    X = rng.normal(size=(300, 96)).astype(np.float32)
    X -= X.mean(axis=0)
    X[::3] = 0  # equally near to all pairs
    X[1::3] = 0.5 * (
        probe.centroids[rng.integers(80, size=100)] + probe.centroids[rng.integers(80, size=100)]
    )
    voter = Voter(probe)
    together = voter(X)
    alone = np.array([voter(X[i : i + 1])[0] for i in range(len(X))])
    assert (together == alone).all()
    backwards = voter(X[::-1])[::-1]
    assert (together == backwards).all()


def test_one_record_more_moves_one_count_by_one() -> None:
    """Two centroids ±h, records nearly orthogonal to h and far longer: float products decided these by their company."""
    rng = np.random.default_rng(0)
    d = 1024
    h = rng.normal(size=d).astype(np.float32)
    for _ in range(20):
        x = rng.normal(size=d)
        x = 1e4 * (x - (x @ h) / (h @ h) * h)
        X = np.tile(x.astype(np.float32), (488, 1))
        more = np.concatenate([X, np.eye(1, d, dtype=np.float32) * 7])
        probe = probe_of(np.stack([h, -h]))
        moved = np.bincount(Voter(probe)(more), minlength=2) - np.bincount(Voter(probe)(X), minlength=2)
        assert sorted(moved.tolist()) == [0, 1]


@pytest.mark.parametrize("projected", [0, 3, 60])
def test_sums_stay_whole_at_the_edge(projected: int) -> None:
    """Weights and records at the ends of their grids: the float64 product is the product of the whole numbers."""
    rng = np.random.default_rng(projected)
    for d in (1, 2, 64, 72, 513, 1280):
        ends = np.where(rng.random((6, d)) < 0.5, -1.0, 1.0) * (1 - 2.0**-24)
        product = _Product(ends, np.full(6, 2.0**60) * rng.choice([-1, 1], 6))
        X = np.where(rng.random((5, d)) < 0.5, -1.0, 1.0) * (2 - 2.0**-23)
        found = product(X.copy())
        whole = [[int(v) for v in row] for row in product._M.T]
        assert max(abs(v) for row in whole for v in row) <= 2**product._bits
        assert d * 4**product._bits <= 2**52
        assert np.abs(found).max() <= 2**53
        assert (found == np.rint(found)).all()
        assert (found == product(X[::-1].copy())[::-1]).all()
