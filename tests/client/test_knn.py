from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client.choice import bounded_rows, marks
from proxyset.client.knn import _on_grid, label_votes
from proxyset.wire.questions import Rule

RULES: tuple[Rule, Rule] = ("private-knn", "bounded-votes")


def slow_votes(Q, X, labels, classes, rule, neighbours):  # type: ignore[no-untyped-def]
    """The definition, in Python's unbounded integers."""
    points = [[int(v) for v in row] for row in _on_grid(X, Q)]
    places = [[int(v) for v in row] for row in _on_grid(Q, Q)]
    votes = np.zeros((len(Q), classes), np.int64)

    def distance(a, b):  # type: ignore[no-untyped-def]
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))

    if rule == "bounded-votes":
        for point, label in zip(points, labels, strict=True):
            near = sorted(range(len(places)), key=lambda q: (distance(point, places[q]), q))
            for question in near[:neighbours]:
                votes[question, label] += 1
        return votes

    def key(row):  # type: ignore[no-untyped-def]
        own = np.array(points[row], np.float64).tobytes() + int(labels[row]).to_bytes(8, "little")
        return hashlib.sha256(own).digest()

    for question, place in enumerate(places):
        near = sorted(range(len(points)), key=lambda row: (distance(points[row], place), key(row)))
        for row in near[:neighbours]:
            votes[question, labels[row]] += 1
    return votes


def data(seed: int, n: int, m: int, d: int, coarse: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    Q, X = rng.normal(size=(m, d)), rng.normal(size=(n, d))
    if coarse:  # many ties
        Q, X = np.rint(Q), np.rint(X)
    return Q.astype(np.float32), X.astype(np.float32), rng.integers(3, size=n)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("coarse", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize(
    ("n", "m", "d", "neighbours"), [(1, 1, 1, 1), (30, 7, 3, 5), (9, 4, 2, 20), (40, 25, 17, 3)]
)
def test_votes_equal_a_slow_reference(
    rule: Rule, coarse: bool, n: int, m: int, d: int, neighbours: int
) -> None:
    Q, X, labels = data(n + m, n, m, d, coarse)
    found = label_votes(Q, X, labels, 3, rule, neighbours)
    np.testing.assert_array_equal(found, slow_votes(Q, X, labels, 3, rule, neighbours))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.integers(2, 25), m=st.integers(1, 6), neighbours=st.integers(1, 12),
    coarse=st.booleans(), rule=st.sampled_from(RULES),
)  # fmt: skip
def test_one_record_moves_the_votes_by_what_the_noise_is_for(
    seed: int, n: int, m: int, neighbours: int, coarse: bool, rule: Rule
) -> None:
    """Added or removed, and replaced; n below and above k."""
    Q, X, labels = data(seed, n, m, 2, coarse)
    full = label_votes(Q, X, labels, 3, rule, neighbours)
    row = seed % n
    for other in (
        label_votes(Q, np.delete(X, row, 0), np.delete(labels, row), 3, rule, neighbours),
        _replaced(Q, X, labels, row, rule, neighbours),
    ):
        moved = full - other
        if rule == "private-knn":
            assert (np.square(moved).sum(axis=1) <= 2).all()
            assert (np.abs(full.max(axis=1) - other.max(axis=1)) <= 1).all()
        else:
            limit = neighbours if full.sum() != other.sum() else 2 * neighbours
            assert np.square(moved).sum() <= min(limit, 2 * neighbours)


def _replaced(Q, X, labels, row, rule, neighbours):  # type: ignore[no-untyped-def]
    X, labels = X.copy(), labels.copy()
    X[row], labels[row] = X[row][::-1] + 1, (labels[row] + 1) % 3
    return label_votes(Q, X, labels, 3, rule, neighbours)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    neighbours=st.integers(1, 8),
    rule=st.sampled_from(RULES),
    most=st.integers(1, 3),
)
def test_one_person_moves_the_votes_by_at_most_m_times_as_much(
    seed: int, neighbours: int, rule: Rule, most: int
) -> None:
    Q, X, labels = data(seed, 24, 4, 2, coarse=True)
    persons = [str(person) for person in np.random.default_rng(seed).integers(5, size=24)]

    def votes(rows: list[int]) -> np.ndarray:
        kept = bounded_rows([persons[r] for r in rows], marks(X[rows]), labels[rows], most)
        chosen = np.array(rows)[kept]
        return label_votes(Q, X[chosen], labels[chosen], 3, rule, neighbours)

    everybody = list(range(24))
    full, less = votes(everybody), votes([r for r in everybody if persons[r] != persons[0]])
    if rule == "private-knn":
        assert (np.square(full - less).sum(axis=1) <= 2 * most**2).all()
        assert (np.abs(full.max(axis=1) - less.max(axis=1)) <= most).all()
    else:
        assert np.square(full - less).sum() <= most**2 * neighbours


@pytest.mark.parametrize("rule", RULES)
def test_order_and_company_change_nothing(rule: Rule) -> None:
    Q, X, labels = data(3, 200, 11, 5, coarse=True)
    found = label_votes(Q, X, labels, 3, rule, 7)
    order = np.random.default_rng(0).permutation(200)
    np.testing.assert_array_equal(found, label_votes(Q, X[order], labels[order], 3, rule, 7))
    if rule == "bounded-votes":
        parts = [label_votes(Q, X[part], labels[part], 3, rule, 7) for part in (order[:80], order[80:])]
        np.testing.assert_array_equal(found, parts[0] + parts[1])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0), (1e6, 0), (1, 1e3), (0, 5)])
def test_any_unit_and_offset(rule: Rule, scale: float, offset: float) -> None:
    Q, X, labels = data(5, 50, 6, 4, coarse=False)
    if not scale:
        found = label_votes(Q * 0 + offset, X * 0 + offset, labels, 3, rule, 4)
        assert found.sum() == (24 if rule == "private-knn" else 200)
        return
    moved = label_votes(
        (Q * scale + offset).astype(np.float32), (X * scale + offset).astype(np.float32), labels, 3, rule, 4
    )
    np.testing.assert_array_equal(moved, label_votes(Q, X, labels, 3, rule, 4))


def test_far_records_are_cut_off_not_overflowed() -> None:
    Q, X, labels = data(7, 20, 5, 3, coarse=False)
    X[0] = 1e15
    found = label_votes(Q, X, labels, 3, "private-knn", 19)
    np.testing.assert_array_equal(found, label_votes(Q, X[1:], labels[1:], 3, "private-knn", 19))
