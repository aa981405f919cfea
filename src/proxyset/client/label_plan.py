"""The plan for labels: what noise does to votes, and how many questions a budget buys, before anything is spent.

A vote of w records for one class against noise of scale σ in C classes, the other classes empty, wins with

    P = E_z [Φ((w + σ z) / σ)^(C − 1)],   z standard normal.

It gets a label when the first of the noisy counts leads the second by more than L σ (`lead`, L), whichever that is:

    A(w) = E_z [Φ(z + w/σ − L)^(C − 1) + (C − 1) · Φ(z − L)^(C − 2) · Φ(z − w/σ − L)],

and, with a screening, when its noisy largest count passes that first. A(0) is what noise answers by itself.

That is all that can be known beforehand: whether the neighbours of a public item are of its class is what nobody has measured
yet, so a plan predicts no accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput
from proxyset.wire.questions import MOST_QUESTIONS, LabelStatement

ENOUGH = 0.95
_LIMIT = 1e6
_Z: NDArray[np.float64] = np.linspace(-8, 8, 321, dtype=np.float64)  # of the quadratures
_MASS = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()


@dataclass(frozen=True)
class LabelPlan:
    """What to expect.

    Attributes:
        privacy: what the labels would state.
        needed: the smallest lead, in records, that survives the noise with probability ENOUGH.
        votes: how many records vote on a question: k under private-knn; under bounded-votes the mean, n · b / m.
        survives: the probability that noise leaves the winner when all of these agree.
        answered: how many questions would get a label if all that vote on each agree; the others are abstained from.
        by_noise: how many would get one though no record votes on them.
        most_questions: the most questions for which that is still ENOUGH, up to 100,000, with the rule's neighbours as given or
            by default; 0 when it never is.
    """

    privacy: LabelStatement
    needed: int
    votes: float
    survives: float
    answered: float
    by_noise: float
    most_questions: int


def plan_labels(
    records: int,
    questions: int,
    classes: int,
    statement: Callable[[int], LabelStatement],
) -> LabelPlan:
    """What labels would be worth.

    Args:
        records: about how many labeled private records there are; a guess does.
        questions, classes: m, and how many labels there are to choose from.
        statement: what labels of so many items would state (`label_privacy.label_statement`).

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
        privacy = statement(m)
        k = privacy.neighbours
        votes = float(min(k, records)) if privacy.rule == "private-knn" else records * k / m
        return privacy, votes, survival(votes, privacy.voting.sigma, classes)

    privacy, votes, survives = planned(questions)
    low, high = 0, MOST_QUESTIONS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if planned(middle)[2] >= ENOUGH else (low, middle - 1)
    return LabelPlan(
        privacy=privacy,
        needed=_needed(privacy.voting.sigma, classes),
        votes=votes,
        survives=survives,
        answered=questions * labelled(votes, privacy, classes),
        by_noise=questions * labelled(0, privacy, classes),
        most_questions=low,
    )


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
    return float(_below(votes / sigma + _Z) ** (classes - 1) @ _MASS)


def labelled(votes: float, privacy: LabelStatement, classes: int) -> float:
    """The probability that a question gets a label, right or wrong, when its `votes` are all for one class: A(w) above.

    Sensitivity:
        None: see `plan_labels`.
    Unit:
        None.
    Guarantee:
        None needed.
    Assumes:
        As `survival`.
    """
    w, lead = votes / privacy.voting.sigma, privacy.lead
    wins = _below(_Z + w - lead) ** (classes - 1)
    loses = _below(_Z - lead) ** (classes - 2) * _below(_Z - w - lead)
    share = float((wins + (classes - 1) * loses) @ _MASS)
    if privacy.screening:
        share *= float(_below(np.array([(votes - privacy.threshold) / privacy.screening.sigma]))[0])
    return share


def _below(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Φ."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])


def _needed(sigma: float, classes: int) -> int:
    low, high = 0, 1
    while survival(high, sigma, classes) < ENOUGH and high < _LIMIT:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if survival(middle, sigma, classes) >= ENOUGH else (middle + 1, high)
    return low
