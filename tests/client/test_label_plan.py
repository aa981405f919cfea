from __future__ import annotations

import numpy as np
import pytest

from proxyset.client.label_plan import ENOUGH, plan_labels, survival
from proxyset.client.label_privacy import label_statement
from proxyset.client.noise import gaussian
from proxyset.errors import InvalidInput


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
