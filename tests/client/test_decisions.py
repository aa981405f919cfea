"""What the owner said to a probe holds, across processes and against an agent that approves everything."""

from __future__ import annotations

import pytest

from proxyset.client.answer import answer
from proxyset.client.calibration import privacy_statement
from proxyset.client.decisions import approve, decision, is_approved, refuse
from proxyset.client.labeling import answer_questions
from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.errors import Refused
from tests.client.asking import make_questions, make_records

POLICY = b'unit = "record"\nencoders = "any"\napprove_above = 0.1\n'


def test_nothing_decided(ledger, probe):
    assert decision(ledger, probe.fingerprint, "a") is None
    assert not is_approved(ledger, probe.fingerprint, "a", privacy_statement(0.5))


@pytest.mark.parametrize(
    ("server", "asked", "covered"),
    [
        ("a", {"epsilon": 0.5}, True),
        ("a", {"epsilon": 0.2}, True),
        ("a", {"epsilon": 0.6}, False),
        ("a", {"epsilon": 0.5, "delta": 1e-4}, False),
        ("a", {"epsilon": 0.5, "unit": "person", "max_records": 2}, False),
        ("a", {"epsilon": 0.5, "adjacency": "replace-one"}, False),
        ("b", {"epsilon": 0.5}, False),
    ],
)
def test_an_approval_covers_what_was_agreed_to(ledger, probe, server, asked, covered):
    approve(ledger, probe.fingerprint, "a", privacy_statement(0.5))
    assert is_approved(ledger, probe.fingerprint, server, privacy_statement(**asked)) is covered


def test_the_newest_decision_holds(ledger, probe):
    cost = privacy_statement(0.5)
    refuse(ledger, probe.fingerprint, "a", "not these pictures")
    for server in ("a", "b"):
        with pytest.raises(Refused, match="the owner refused"):
            is_approved(Ledger.open(ledger.path), probe.fingerprint, server, cost)
    approve(ledger, probe.fingerprint, "a", cost)
    assert is_approved(ledger, probe.fingerprint, "a", cost)
    with pytest.raises(Refused):
        is_approved(ledger, probe.fingerprint, "b", cost)


def test_answer_respects_a_refusal_even_of_what_is_stored(ledger, probe, X):
    options = {"epsilon": 0.5, "ledger": ledger, "server": "a"}
    answer(probe, X, **options, dataset="X")
    refuse(ledger, probe.fingerprint, "a")
    before = ledger.entries()
    with pytest.raises(Refused, match="approve it first"):
        answer(probe, X, **options, approved=True, dataset="X")
    assert ledger.entries() == before


def test_answer_takes_an_approval_for_the_policy(ledger, probe, X):
    adopt(ledger, POLICY)
    options = {"epsilon": 0.5, "ledger": ledger, "server": "a"}
    with pytest.raises(Refused, match="approval"):
        answer(probe, X, **options, dataset="X")
    approve(ledger, probe.fingerprint, "a", privacy_statement(0.5))
    assert len(answer(probe, X, **options, dataset="X").counts) == probe.clusters
    with pytest.raises(Refused, match="approval"):
        answer(probe, X, **options | {"epsilon": 0.7}, dataset="X")


def test_decisions_cost_nothing_and_the_ledger_verifies(ledger, probe):
    approve(ledger, probe.fingerprint, "a", privacy_statement(0.5), "fine")
    refuse(ledger, probe.fingerprint, "a")
    assert ledger.spent() == 0
    assert ledger.verify().kind == "refusal"


def test_labels_respect_decisions_too(ledger):
    X, labels = make_records()
    questions, options = make_questions(), {"epsilon": 1.0, "ledger": ledger, "server": "a"}
    adopt(ledger, POLICY + b"most_questions = 100\n")
    with pytest.raises(Refused, match="approval"):
        answer_questions(questions, X, labels, **options, dataset="X")
    approve(ledger, questions.fingerprint, "a", privacy_statement(1.0))
    answer_questions(questions, X, labels, **options, dataset="X")
    refuse(ledger, questions.fingerprint, "a")
    with pytest.raises(Refused, match="the owner refused"):
        answer_questions(questions, X, labels, **options, approved=True, dataset="X")
