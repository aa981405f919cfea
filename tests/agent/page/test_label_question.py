"""What the page of questions says, against the ledger."""

from __future__ import annotations

import numpy as np
import pytest

from proxyset.agent import inbox
from proxyset.agent.page.question import Question, examine, state_of
from proxyset.agent.page.settings import Settings
from proxyset.client.decisions import approve, refuse
from proxyset.client.label_privacy import whole_cost
from proxyset.client.labeling import Voting, answer_questions
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.terms import Terms
from proxyset.errors import InvalidInput
from tests.client.asking import make_questions, make_records

POLICY = b'unit = "record"\nencoders = "any"\nmost_epsilon = 5.0\nmost_questions = 20\n[cap]\nepsilon = 4.0\ndelta = 1e-5\n'
ASKED = make_questions()


@pytest.fixture
def ask(ledger: Ledger) -> inbox.Ask:
    adopt(ledger, POLICY)
    return inbox.put(ledger, ASKED.data, "a")


@pytest.fixture
def settings() -> Settings:
    X, labels = make_records()
    return Settings(X, Terms(1.0), dataset="X", labels=labels)


def examined(
    ledger: Ledger, ask: inbox.Ask, settings: Settings, epsilon: float = 1.0, honest: str = ""
) -> Question:
    return examine(ledger, ask, ASKED, settings, epsilon, None, honest)


def bad(question: Question) -> list[str]:
    return [check.words for check in question.checks if check.verdict == "bad"]


def test_states_cost_and_replay(ledger: Ledger, ask: inbox.Ask, settings: Settings) -> None:
    first = examined(ledger, ask, settings)
    assert (first.state, first.stored, bad(first)) == ("waiting", False, [])
    approve(ledger, ask.probe, "a", whole_cost(first.cost))
    assert state_of(ledger, ask) == "approved"
    before = ledger.spent()
    answer_questions(
        ASKED, settings.data, settings.labels, epsilon=1.0, dataset="X", ledger=ledger, server="a"
    )
    assert ledger.spent() - before == pytest.approx(first.cost.rho)
    again = examined(ledger, ask, settings)
    assert (again.state, again.stored, len(again.answers)) == ("answered", True, 1)
    assert again.shares[0].spent == pytest.approx(first.cost.rho)
    assert not examined(ledger, ask, settings, 0.9).stored
    refuse(ledger, ask.probe, "a")
    assert examined(ledger, ask, settings).state == "refused"


def test_what_stands_in_the_way(ledger: Ledger, ask: inbox.Ask, settings: Settings) -> None:
    assert (
        "Where the labels" in bad(examined(ledger, ask, Settings(settings.data, Terms(1.0), dataset="X")))[0]
    )
    assert bad(examined(ledger, ask, settings, honest="it lies")) == ["it lies"]
    ledger.set_cap(Cap(0.5))
    assert "costs ρ" in bad(examined(ledger, ask, settings))[0]
    assert "at most ε" in bad(examined(ledger, ask, settings, 6.0))[0]
    adopt(ledger, POLICY.replace(b"most_questions = 20", b"most_questions = 11"))
    assert "at most 11 public items at once, not 12" in bad(examined(ledger, ask, settings))[0]
    with pytest.raises(InvalidInput):
        examined(ledger, ask, settings, -1.0)


def test_without_a_policy_nothing_is_allowed(tmp_path, settings: Settings) -> None:
    ledger = Ledger.open(tmp_path / "bare")
    ask = inbox.put(ledger, ASKED.data)
    assert "No policy is in force" in bad(examined(ledger, ask, settings))[0]


def test_a_stored_answer_needs_no_room_in_the_budget(
    ledger: Ledger, ask: inbox.Ask, settings: Settings
) -> None:
    answer_questions(
        ASKED, settings.data, settings.labels, epsilon=1.0, dataset="X", ledger=ledger, server="a"
    )
    ledger.set_cap(Cap(0.5))
    assert bad(examined(ledger, ask, settings)) == []


def test_the_owners_own_approval_is_told(ledger: Ledger, ask: inbox.Ask, settings: Settings) -> None:
    adopt(ledger, b"approve_above = 0.5\n" + POLICY)
    asked = [check for check in examined(ledger, ask, settings).checks if check.verdict == "ask"]
    assert (
        len(asked) == 2
        and "names no encoders" in asked[0].words
        and "approval above ε = 0.5" in asked[1].words
    )


def test_plans_are_for_the_settings_of_the_page(ledger: Ledger, ask: inbox.Ask) -> None:
    X, labels = make_records()
    voting = Voting("private-knn", neighbours=7, screening=0.2, lead=0.5)
    knn = Settings(X, Terms(1.0), dataset="X", labels=labels, voting=voting)
    found = examine(ledger, ask, ASKED, knn, 1.0, 300)
    ((records, plan),) = found.plans
    assert records == 300
    assert plan.privacy == found.cost
    assert (found.cost.neighbours, found.cost.lead) == (7, 0.5)
    assert 0 < plan.by_noise < plan.answered <= len(ASKED)
    assert np.isclose(found.cost.rho, found.cost.voting.rho + found.cost.screening.rho)
