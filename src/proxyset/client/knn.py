"""Votes of private records on public items: who is near whom, exactly, and the two rules of voting.

**private-knn** (Zhu, Yu, Chandraker and Wang, CVPR 2020): the k nearest records of a question vote on it. A record that is
added takes the place of one other in the k nearest, so a question's counts move by +1 in one class and −1 in another, and
their maximum by 1 at most; over m questions, by ℓ2 ≤ √(2m).

**bounded-votes** (ours): each record votes on the b questions nearest to it. A record that is added moves b counts by 1 and
no other, so all m questions together move by ℓ2 = √b.

Both proofs need that whether a record is nearer than another does not depend on third ones. A matrix product rounds a row
differently when other rows stand beside it, so features are first put on a grid of integers, coarse enough that every sum
that can occur in a squared distance is below 2⁵³: float64 then holds it exactly, in whatever order it was added up. Equally
near records are put in order of a hash of their own features and label, equally near questions in order of their number.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from proxyset.wire.questions import Rule

Grid = NDArray[np.float64]  # whole numbers

_BLOCK_BYTES = 32 << 20


def label_votes(
    questions: NDArray[np.float32],
    X: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    rule: Rule,
    neighbours: int,
) -> NDArray[np.int64]:
    """How many records vote for each class at each question. Not private yet: it goes to `gate` only.

    Args:
        questions: (m, d) features of public items.
        X: (n, d) features of private records, finite.
        labels: (n,) their classes, in [0, `classes`).
        rule: as above.
        neighbours: k, or b. With fewer records than k all of them vote; with fewer questions than b, on all.

    Returns:
        (m, classes) int64 counts, each ≥ 0.

    Sensitivity:
        One record added, removed or replaced. private-knn: each question's counts move by ℓ2 ≤ √2, their maximum by
        ≤ 1. (A replaced record leaves one place among the k nearest and takes one: that is still one swap.)
        bounded-votes: all counts together move by ℓ2 ≤ √b; by √(2b) when a record is replaced. For a person with at
        most M records, M times as much.
    Unit:
        One record; see there for persons.
    Guarantee:
        None by itself; noise makes it private.
    Assumes:
        Features and label of a record depend on that record alone.
    """
    if not len(X):
        return np.zeros((len(questions), classes), np.int64)
    points, places = _on_grid(X, questions), _on_grid(questions, questions)
    if rule == "bounded-votes":
        return _bounded(places, points, labels, classes, neighbours)
    order = _own_order(points, labels)
    return _nearest(places, points[order], labels[order], classes, neighbours)


def _on_grid(X: NDArray[np.float32], questions: NDArray[np.float32]) -> Grid:
    """`X` less the questions' mean, in whole steps of a unit that the questions alone decide; far values are cut off."""
    bits = (51 - math.ceil(math.log2(X.shape[1]))) // 2
    mean = questions.mean(axis=0, dtype=np.float64)
    largest = float(np.abs(questions - mean).max())
    unit = 2.0 ** (bits - 1 - math.ceil(math.log2(largest))) if largest > 0 else 1.0
    with np.errstate(over="ignore"):  # what is beyond float64 is beyond the grid too
        grid: Grid = np.clip(np.rint((X.astype(np.float64) - mean) * unit), -(2.0**bits), 2.0**bits)
    return grid + 0.0  # no −0: equal points have equal bytes


def _squared_distances(A: Grid, B: Grid) -> Grid:
    """(len(A), len(B)) whole numbers, exact."""
    squares: Grid = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * (A @ B.T)
    return squares


def _own_order(points: Grid, labels: NDArray[np.int64]) -> NDArray[np.intp]:
    keys = [
        hashlib.sha256(point.tobytes() + int(label).to_bytes(8, "little")).digest()
        for point, label in zip(points, labels, strict=True)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)


def _nearest(
    places: Grid, points: Grid, labels: NDArray[np.int64], classes: int, k: int
) -> NDArray[np.int64]:
    votes = np.zeros((len(places), classes), np.int64)
    member = labels[:, None] == np.arange(classes)
    step = max(1, _BLOCK_BYTES // (8 * len(points)))
    for start in range(0, len(places), step):
        chosen = _smallest(_squared_distances(places[start : start + step], points), k)
        votes[start : start + step] = chosen.astype(np.float64) @ member
    return votes


def _bounded(
    places: Grid, points: Grid, labels: NDArray[np.int64], classes: int, b: int
) -> NDArray[np.int64]:
    votes = np.zeros((len(places), classes), np.int64)
    step = max(1, _BLOCK_BYTES // (8 * len(places)))
    for start in range(0, len(points), step):
        chosen = _smallest(_squared_distances(points[start : start + step], places), b)
        row, question = np.nonzero(chosen)
        np.add.at(votes, (question, labels[start : start + step][row]), 1)
    return votes


def _smallest(values: Grid, count: int) -> NDArray[np.bool_]:
    """Which `count` values of each row are the smallest; of equal ones the first."""
    if count >= values.shape[1]:
        return np.ones(values.shape, np.bool_)
    last = np.partition(values, count - 1, axis=1)[:, count - 1 : count]
    closer, tied = values < last, values == last
    room = count - closer.sum(axis=1, keepdims=True)
    chosen: NDArray[np.bool_] = closer | (tied & (tied.cumsum(axis=1) <= room))
    return chosen
