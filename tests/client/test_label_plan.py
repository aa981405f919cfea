from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from proxyset.client.label_plan import ENOUGH, LabelPlan, labelled, survival
from proxyset.client.label_plan import plan_labels as plan_stated
from proxyset.client.label_privacy import label_statement
from proxyset.errors import InvalidInput
from tests.client.conftest import drawing as gaussian


def plan_labels(records: int, questions: int, classes: int, epsilon: float, **voting: Any) -> LabelPlan:
    return plan_stated(records, questions, classes, lambda m: label_statement(m, epsilon, **voting))


@pytest.mark.parametrize(("votes", "epsilon", "classes"), [(8, 2.0, 10), (20, 1.0, 3), (5, 5.0, 2)])
def test_survival_is_what_the_shipped_noise_gives(votes: int, epsilon: float, classes: int) -> None:
    """4,000 draws: standard error ≤ 0.008; off by 0.05 with probability below 1e-8."""
    trials = 4000
    draw = label_statement(100, epsilon, neighbours=3).voting
    counts = np.zeros((trials, classes), np.int64)
    counts[:, -1] = votes  # the last: ties go to the first, against it
    noisy = gaussian(counts.size, draw)(counts.ravel()).reshape(counts.shape)
    assert survival(votes, draw.sigma, classes) == pytest.approx(
        (noisy.argmax(1) == classes - 1).mean(), abs=0.05
    )


def test_a_plan() -> None:
    found = plan_labels(1000, 300, 10, 4.0)
    assert survival(found.needed, found.privacy.voting.sigma, 10) >= ENOUGH
    assert survival(found.needed - 1, found.privacy.voting.sigma, 10) < ENOUGH
    assert 0 < found.most_questions < 100_000
    at_most = plan_labels(1000, found.most_questions, 10, 4.0)
    beyond = plan_labels(1000, found.most_questions + 60, 10, 4.0)
    assert at_most.survives >= ENOUGH > beyond.survives


def test_more_budget_buys_more_questions() -> None:
    for rule in ("private-knn", "bounded-votes"):
        bought = [
            plan_labels(1000, 100, 10, e, rule=rule, neighbours=100).most_questions for e in (0.5, 2.0, 8.0)
        ]
        assert bought == sorted(bought)
        assert bought[0] < bought[2]


def test_impossible_plans() -> None:
    for records, questions, classes in ((0, 10, 3), (10, 0, 3), (10, 10, 1)):
        with pytest.raises(InvalidInput):
            plan_labels(records, questions, classes, 1.0)


@pytest.mark.parametrize("lead", [0.0, 1.0, 3.0])
@pytest.mark.parametrize(("votes", "classes"), [(0, 2), (0, 10), (8, 10), (30, 3)])
def test_how_many_get_a_label_is_what_the_shipped_noise_gives(votes: int, classes: int, lead: float) -> None:
    """4,000 draws at σ > 5: standard error ≤ 0.008; off by 0.05 with probability below 1e-8."""
    trials = 4000
    privacy = label_statement(100, 2.0, neighbours=3, lead=lead)
    counts = np.zeros((trials, classes), np.int64)
    counts[:, 0] = votes
    noisy = np.sort(gaussian(counts.size, privacy.voting)(counts.ravel()).reshape(counts.shape))
    share = (noisy[:, -1] - noisy[:, -2] > lead * privacy.voting.sigma).mean()
    expected = labelled(votes, privacy, classes)
    # a draw of whole numbers ties, which a normal one does not: at lead 0 that many get none
    ties = (noisy[:, -1] == noisy[:, -2]).mean() if lead == 0 else 0.0
    assert expected == pytest.approx(share + ties, abs=0.05)


def test_a_screening_lets_fewer_through() -> None:
    plain = plan_labels(1000, 100, 5, 4.0, rule="private-knn")
    screened = plan_labels(1000, 100, 5, 4.0, rule="private-knn", screening=0.3)
    assert screened.answered < plain.answered
    assert screened.by_noise < 0.5 * plain.by_noise  # nobody votes: mostly below the threshold
