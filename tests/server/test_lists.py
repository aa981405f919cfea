"""What operators look through: a page at a time, by a search, the same on both databases."""

from __future__ import annotations

from proxyset.client.calibration import privacy_statement
from proxyset.page.part import ROWS
from proxyset.server.records import Scope, Submission
from tests.server.running import begin


def fill(state, index, clients=2 * ROWS + 3):
    """A campaign, and clients of whom the first three have answered."""
    begin(state, index, "first", "second")
    keys = [f"{number:064x}" for number in range(clients)]
    for number, key in enumerate(keys):
        state.add_client(key, f"phone {number:03d}")
    privacy = privacy_statement(0.5)
    stated = (privacy.epsilon, privacy.delta, privacy.sigma, privacy.rho)
    state.store(
        [Submission("first", key, f"{9:063x}{n}", *stated, b"x" * (10 + n)) for n, key in enumerate(keys[:3])]
    )
    return privacy


def test_every_page_together_is_everything_once(state, index):
    fill(state, index)
    parts = [state.lists.clients(page=page) for page in (1, 2, 3)]
    assert [len(part.rows) for part in parts] == [ROWS, ROWS, 3]
    assert {part.total for part in parts} == {2 * ROWS + 3} and parts[0].pages == 3
    keys = {row.client.key for part in parts for row in part.rows}
    assert keys == {client.key for client in state.clients()}
    assert state.lists.clients(page=999).page == 3 and state.lists.clients(page=-5).page == 1
    assert (parts[1].first, parts[1].last) == (ROWS + 1, 2 * ROWS)


def test_what_stands_beside_a_client(state, index):
    privacy = fill(state, index)
    (row,) = state.lists.clients("phone 001").rows
    assert (row.answers, row.rho, row.bytes) == (1, privacy.rho, 11)
    (row,) = state.lists.clients("phone 004").rows
    assert (row.answers, row.rho, row.bytes) == (0, 0, 0)
    assert [each.name for each in state.lists.answers("first", "PHONE 00").rows] == [
        "phone 000",
        "phone 001",
        "phone 002",
    ]
    assert state.lists.answers("second").total == 0
    arrived = state.lists.arrived("first")
    assert (arrived.answers, arrived.bytes) == (3, 33) and arrived.last is not None
    assert state.lists.arrived("second").last is None
    assert state.lists.arrived_in_all() == arrived
    assert {each.campaign.id: each.answers for each in state.lists.campaigns().rows} == {
        "first": 3,
        "second": 0,
    }
    state.close_campaign("second")
    state.revoke_client(row.client.key)
    assert (state.lists.open_campaigns(), state.lists.enrolled()) == (1, 2 * ROWS + 2)


def test_a_search_takes_every_sign_literally(state):
    for name in ("100% sure", "under_score", "wow!", "a'b", "x?y", "back\\slash"):
        state.create_token(name)
        for part in (name, name[1:4]):
            assert [token.name for token in state.lists.invitations(part).rows] == [name]
    assert state.lists.invitations("%").total == state.lists.invitations("_").total == 1
    assert state.lists.invitations("nobody").total == 0


def test_invitations_that_are_used_or_withdrawn_are_gone(state):
    used = state.create_token("used")
    state.create_token("open")
    state.enroll(used, "a" * 64)
    assert [token.name for token in state.lists.invitations().rows] == ["open"]
    state.withdraw_token(state.lists.invitations().rows[0].id)
    assert state.lists.invitations().total == 0


def test_operators_and_what_they_did(state):
    for name in ("ada", "grace"):
        state.accounts.create(name, [Scope.read])
    state.accounts.revoke("ada")
    assert {each.name: bool(each.revoked) for each in state.lists.operators().rows} == {
        "ada": True,
        "grace": False,
    }
    assert [each.act for each in state.lists.acts().rows] == [
        "revoke operator",
        "make operator",
        "make operator",
    ]
    assert state.lists.acts("REVOKE").total == 1
