"""What the page of an ask says, against the ledger."""

from __future__ import annotations

import numpy as np
import pytest

from proxyset.agent import inbox
from proxyset.agent.page.charts import burn_down, cost_bar, counts_chart
from proxyset.agent.page.question import examine, standing, state_of
from proxyset.agent.page.settings import Settings
from proxyset.client.answer import answer
from proxyset.client.decisions import approve, refuse
from proxyset.client.ledger import Cap
from proxyset.client.policy import adopt
from proxyset.client.recount import true_counts
from proxyset.client.terms import Terms
from proxyset.errors import InvalidInput


@pytest.fixture
def ask(ledger, probe):
    return inbox.put(ledger, probe.data, "a")


def test_states_follow_the_ledger(ledger, probe, ask, X):
    settings = Settings(X, Terms(0.5), dataset="X")
    assert state_of(ledger, ask) == "waiting"
    approve(ledger, ask.probe, "a", settings.terms.statement())
    assert state_of(ledger, ask) == "approved"
    answer(probe, X, ledger=ledger, server="a", epsilon=0.5, dataset="X")
    assert state_of(ledger, ask) == "answered"
    refuse(ledger, ask.probe, "a")
    assert state_of(ledger, ask) == "refused"


def test_cost_share_and_replay(ledger, probe, ask, X):
    ledger.set_cap(Cap(2), "a")
    settings = Settings(X, Terms(0.5), dataset="X")
    first = examine(ledger, ask, probe, settings, 0.5, None)
    assert [share.name for share in first.shares] == ["", "a"]
    assert not first.stored and all(share.fits and share.spent == 0 for share in first.shares)
    before = ledger.spent()
    answer(probe, X, ledger=ledger, server="a", epsilon=0.5, dataset="X")
    assert ledger.spent() - before == pytest.approx(first.cost.rho)
    again = examine(ledger, ask, probe, settings, 0.5, None)
    assert again.stored and len(again.answers) == 1
    assert not examine(ledger, ask, probe, settings, 0.4, None).stored


def test_standing_agrees_with_the_account(ledger, probe, X):
    ledger.set_cap(Cap(3, 1e-6), "a")
    for epsilon in (0.2, 0.5):
        answer(probe, X, epsilon=epsilon, ledger=ledger, server="a", dataset="X")
    answer(probe, X, epsilon=0.4, ledger=ledger, server="b", dataset="X")
    for server in ("", "a", "b"):
        account, quick = ledger.account(server), standing(ledger, server)
        assert (quick.answers, quick.spent_epsilon) == (account.debits, account.spent_epsilon)
        assert quick.remaining_rho == ledger.remaining(server)
        if quick.cap:
            assert (quick.cap.epsilon, quick.cap.delta) == (account.cap_epsilon, account.cap_delta)
            assert quick.left == pytest.approx(account.remaining_rho / account.cap_rho)


def test_what_stands_in_the_way_is_told(ledger, probe, ask, X):
    policy = (
        'unit = "record"\napprove_above = 0.1\nmost_epsilon = 1.0\n{}[cap]\nepsilon = 1.0\ndelta = 1e-5\n'
    )
    settings = Settings(X, Terms(0.5), dataset="X")
    adopt(ledger, policy.format(f'encoders = ["{probe.encoder.fingerprint}"]\n').encode())

    def verdicts(epsilon):
        return [check.verdict for check in examine(ledger, ask, probe, settings, epsilon, None).checks]

    assert verdicts(0.05) == ["good", "good", "good"]
    assert verdicts(0.5) == ["good", "good", "ask", "good"]
    assert verdicts(2.0) == ["bad", "bad"]
    with pytest.raises(InvalidInput):
        verdicts(-1)


def test_worth_is_that_of_the_plan(ledger, probe, ask, X):
    settings = Settings(X, Terms(0.5), dataset="X")
    (one,) = examine(ledger, ask, probe, settings, 0.5, 500).worth
    assert one.records == 500 and one.without < one.captured <= 1
    assert [worth.records for worth in examine(ledger, ask, probe, settings, 0.5, None).worth][:2] == [
        100,
        300,
    ]


def test_true_counts_spend_and_keep_nothing(ledger, probe, X):
    before = ledger.entries()
    counts, tally = true_counts(probe, X, Terms(1.0))
    assert (tally.total, tally.votes) == (len(X), len(X))
    distances = ((X[:, None] - probe.centroids[None]) ** 2).sum(axis=2)
    assert counts.tolist() == np.bincount(distances.argmin(axis=1), minlength=probe.clusters).tolist()
    assert ledger.entries() == before
    with pytest.raises(InvalidInput):
        true_counts(probe, X, Terms(1.0, unit="person"))


def test_charts_say_in_words_what_they_show(ledger, probe, ask, X):
    settings = Settings(X, Terms(0.5), dataset="X")
    assert "0 answers" in burn_down(ledger.entries(), 1.0)
    answer(probe, X, ledger=ledger, server="a", epsilon=0.5, dataset="X")
    rho = ledger.spent()
    chart = burn_down(ledger.entries(), 2 * rho)
    assert "1 answers" in chart and "from 100 to 50" in chart
    share = examine(ledger, ask, probe, settings, 0.5, None).shares[0]
    assert "percent spent" in cost_bar(share)
    noisy = np.array([5, -3, 0], np.int64)
    assert "3 noisy counts from -3 to 5" in counts_chart(noisy, np.array([2, 0, 1], np.int64))
    assert counts_chart(noisy).count("<rect") == 3
