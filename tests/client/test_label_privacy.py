from __future__ import annotations

import math

import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client.calibration import composed_epsilon
from proxyset.client.label_privacy import label_statement, voting_of
from proxyset.errors import InvalidInput
from proxyset.wire.privacy_loss import zcdp_epsilon


def by_dp_accounting(sigma: float, step: int, counts: int, delta: float = 1e-5) -> float:
    """The ε of `counts` counts that move by `step` each."""
    one = pld.from_discrete_gaussian_mechanism(sigma, step)
    return float(one.self_compose(counts).get_epsilon_for_delta(delta))


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({"rule": "private-knn"}, [200]),
        ({"rule": "private-knn", "screening": 0.3}, [100, 200]),
        ({"rule": "bounded-votes", "neighbours": 7}, [7]),
        ({"rule": "bounded-votes", "neighbours": 7, "adjacency": "replace-one"}, [14]),
        ({"rule": "bounded-votes", "neighbours": 3, "unit": "person", "max_records": 4}, [3]),
    ],
)
def test_the_statement_is_what_dp_accounting_says(options: dict, counts: list[int]) -> None:  # type: ignore[type-arg]
    """ε from ρ is above the ε of the very distributions, and by no more than 15 %."""
    privacy = label_statement(100, 4.0, **options)
    step = options.get("max_records", 1)
    draws = [draw for draw in (privacy.screening, privacy.voting) if draw]
    total = pld.identity()
    for draw, number in zip(draws, counts, strict=True):
        total = total.compose(pld.from_discrete_gaussian_mechanism(draw.sigma, step).self_compose(number))
    exact = total.get_epsilon_for_delta(1e-5)
    assert exact <= zcdp_epsilon(privacy.rho, 1e-5) <= 4.0 + 1e-6
    assert zcdp_epsilon(privacy.rho, 1e-5) <= 1.15 * exact
    assert composed_epsilon(draws, 1e-5) == pytest.approx(exact, rel=0.01)


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 5000), epsilon=st.floats(0.01, 20), rule=st.sampled_from(["private-knn", "bounded-votes"]),
    share=st.floats(0.05, 0.9), most=st.integers(1, 9),
)  # fmt: skip
def test_rho_follows_from_the_table(m: int, epsilon: float, rule: str, share: float, most: int) -> None:
    screening = share if rule == "private-knn" else 0.0
    privacy = label_statement(
        m,
        epsilon,
        unit="person",
        max_records=most,
        rule=rule,
        screening=screening,  # type: ignore[arg-type]
    )
    sigma = privacy.voting.sigma
    if privacy.screening:
        assert privacy.screening.rho == pytest.approx(most**2 * m / (2 * privacy.screening.sigma**2))
        assert voting_of(privacy, m).rho == privacy.voting.rho == pytest.approx(most**2 * m / sigma**2)
    else:
        assert privacy.voting.rho == pytest.approx(most**2 * privacy.neighbours / (2 * sigma**2))
    assert zcdp_epsilon(privacy.rho, 1e-5) <= epsilon * (1 + 1e-6)
    assert math.isclose(privacy.rho, math.fsum(d.rho for d in (privacy.screening, privacy.voting) if d))


def test_what_was_screened_out_is_not_paid_for_again() -> None:
    privacy = label_statement(100, 4.0, rule="private-knn", screening=0.2)
    few = voting_of(privacy, 25)
    assert few.sigma == privacy.voting.sigma
    assert few.rho == pytest.approx(privacy.voting.rho / 4)
    assert few.epsilon < privacy.voting.epsilon


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"questions": 0}, "questions"),
        ({"rule": "majority"}, "rule"),
        ({"screening": 0.2}, "bounded-votes"),
        ({"rule": "private-knn", "screening": 1.0}, "screening"),
        ({"neighbours": 0}, "neighbours"),
        ({"rule": "private-knn", "threshold": 5}, "threshold"),
        ({"lead": -1.0}, "lead"),
        ({"lead": math.inf}, "lead"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"max_records": 2}, "max_records"),
    ],
)
def test_impossible_settings(options: dict, match: str) -> None:  # type: ignore[type-arg]
    settings_ = {"questions": 10, "epsilon": 1.0} | options
    with pytest.raises(InvalidInput, match=match):
        label_statement(**settings_)


@pytest.mark.parametrize(("rate", "sigma"), [(1.0, 22.3), (0.15, 3.6)])
def test_what_sampling_would_save_is_as_the_docs_say(rate: float, sigma: float) -> None:
    """300 questions, ε = 4.9: the ledger pays for the first line whatever the rate."""
    for scale, enough in ((1.0, True), (0.97, False)):
        one = pld.from_gaussian_mechanism(scale * sigma / math.sqrt(2), sampling_prob=rate)
        assert (one.self_compose(300).get_epsilon_for_delta(1e-5) <= 4.9) == enough
    assert label_statement(300, 4.9, rule="private-knn").voting.sigma == pytest.approx(23.7, abs=0.1)
    assert label_statement(300, 4.9).voting.sigma == pytest.approx(2.4, abs=0.1)
