"""Records become rows and records again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from proxyset.server.records import Campaign, Operator, Scope
from proxyset.server.rows import campaign_of, campaign_row, client_of, operator_of, text_of
from proxyset.wire.campaign import Ask

TIMES = st.integers(0, 10**12).map(lambda ms: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))


@given(
    purpose=st.text(max_size=50),
    low=st.floats(0.001, 1),
    budget=st.integers(1, 10**9),
    deadline=st.none() | TIMES,
    created=TIMES,
    closed=st.none() | TIMES,
)
def test_a_campaign_there_and_back(purpose, low, budget, deadline, created, closed):
    ask = Ask(epsilon_low=low, epsilon_high=2)
    campaign = Campaign("one", "a" * 64, "b" * 64, purpose, ask, budget, "ecos", deadline, created, closed)
    assert campaign_of(campaign_row(campaign)) == campaign


@given(created=TIMES, revoked=st.none() | TIMES, until=st.none() | TIMES)
def test_people(created, revoked, until):
    client = client_of(("k" * 64, "north", text_of(created), text_of(revoked)))
    assert (client.enrolled, client.revoked) == (created, revoked)
    for held, scopes in (("", frozenset()), ("campaigns,read", frozenset({Scope.read, Scope.campaigns}))):
        row = ("ann", held, text_of(created), text_of(revoked), text_of(until))
        assert operator_of(row) == Operator("ann", scopes, created, revoked, until)
