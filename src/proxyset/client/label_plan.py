"""The plan for labels: what noise does to votes, and how many questions a budget buys, before anything is spent.

A vote of w records for one class against noise of scale σ in C classes, the other classes empty, wins with

    P = E_z [Φ((w + σ z) / σ)^(C − 1)],   z standard normal.

That is all that can be known beforehand: whether the neighbours of a public item are of its class is what nobody has measured
yet, so a plan predicts no accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from proxyset.client.calibration import Adjacency, Unit
from proxyset.client.label_privacy import DEFAULT_RULE, label_statement
from proxyset.errors import InvalidInput
from proxyset.wire.questions import MOST_QUESTIONS, LabelStatement, Rule

ENOUGH = 0.95
_LIMIT = 1e6


@dataclass(frozen=True)
class LabelPlan:
    """What to expect.

    Attributes:
        privacy: what the labels would state.
        needed: the smallest lead, in records, that survives the noise with probability ENOUGH.
        votes: how many records vote on a question: k under private-knn; under bounded-votes the mean, n · b / m.
        survives: the probability that noise leaves the winner when all of these agree.
        most_questions: the most questions for which that is still ENOUGH, up to 100,000, with the rule's neighbours as given or
            by default; 0 when it never is.
    """

    privacy: LabelStatement
    needed: int
    votes: float
    survives: float
    most_questions: int


def plan_labels(
    records: int,
    questions: int,
    classes: int,
    epsilon: float,
    delta: float = 1e-5,
    unit: Unit = "record",
    adjacency: Adjacency = "add-remove",
    max_records: int = 1,
    *,
    rule: Rule = DEFAULT_RULE,
    neighbours: int | None = None,
    screening: float = 0.0,
) -> LabelPlan:
    """What labels would be worth.

    Args:
        records: about how many labeled private records there are; a guess does.
        questions, classes: m, and how many labels there are to choose from.
        The others: as `label_privacy.label_statement` takes them.

    Sensitivity:
        None: nothing private goes in except `records`, which stays on the owner's machine.
    Unit:
        As asked.
    Guarantee:
        None needed: do not publish a plan made with the exact number.
    Assumes:
        Normal noise, and under bounded-votes questions spread like the records.

    Raises:
        InvalidInput: an impossible number.
    """
    if records < 1 or classes < 2:
        raise InvalidInput(f"a plan needs records ≥ 1 and classes ≥ 2, not {records} and {classes}")

    def planned(m: int) -> tuple[LabelStatement, float, float]:
        privacy = label_statement(
            m, epsilon, delta, unit, adjacency, max_records,
            rule=rule, neighbours=neighbours, screening=screening,
        )  # fmt: skip
        k = privacy.neighbours
        votes = float(min(k, records)) if rule == "private-knn" else records * k / m
        return privacy, votes, survival(votes, privacy.voting.sigma, classes)

    privacy, votes, survives = planned(questions)
    low, high = 0, MOST_QUESTIONS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if planned(middle)[2] >= ENOUGH else (low, middle - 1)
    return LabelPlan(privacy, _needed(privacy.voting.sigma, classes), votes, survives, low)


def survival(votes: float, sigma: float, classes: int) -> float:
    """The probability that a class with `votes`, all others without, wins under noise: the formula above, by quadrature.

    Sensitivity:
        None: see `plan_labels`.
    Unit:
        None.
    Guarantee:
        None needed.
    Assumes:
        Normal noise: within 0.02 of the discrete for σ ≥ 1 (the tests).
    """
    z = np.linspace(-8, 8, 2001)
    mass = np.exp(-(z**2) / 2)
    below = np.array([0.5 * math.erfc(-(votes / sigma + x) / math.sqrt(2)) for x in z])
    return float((below ** (classes - 1)) @ mass / mass.sum())


def _needed(sigma: float, classes: int) -> int:
    low, high = 0, 1
    while survival(high, sigma, classes) < ENOUGH and high < _LIMIT:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if survival(middle, sigma, classes) >= ENOUGH else (middle + 1, high)
    return low
