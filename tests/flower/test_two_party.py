"""Both apps of a two-party sum in one process, with a real helper on a socket; test_processes.py has Flower's engine."""

import pytest
from flwr.app import ConfigRecord

from proxyset.client.ledger import Ledger
from proxyset.errors import InvalidInput, StateError, TransportError
from proxyset.flower import messages, two_party
from proxyset.flower.two_party import Carried
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from tests.flower.summing import assert_summed, begin_flower_sum, helper_public
from tests.flower.test_apps import Room, _task  # noqa: F401 - what Flower sets before it calls an app
from tests.server.two_party.parties import helping, leader


def test_reports_of_enrolled_nodes_are_summed_and_the_rest_is_left(fleet):
    folder, index = fleet
    state = State.open(folder / "state")
    carried = Carried(state=folder / "state", campaign="phones", out=folder / "proxy", nodes=4, timeout=2)
    with helping(folder / "helper", leader(state)) as url:
        exact = begin_flower_sum(state, folder, index, url, helper_public(folder), accepting=3)
        with pytest.raises(TransportError, match="2 reports came from 4 nodes, and the sum is opened with 3"):
            two_party.run(Room(folder, range(4), {2: messages.no_reply()}), carried)
        assert state.campaign("phones").accepting()  # what came is kept, and it is run again
        stranger = Ledger.open(folder / "ledger-1.sqlite")
        others = {4: messages.reply(b"nonsense"), 5: messages.no_reply()}
        proxy = two_party.run(Room(folder, range(6), others), carried)
        again = carried.model_copy(update={"out": folder / "again"})
        second = two_party.run(Room(folder, []), again)  # closed and opened: nobody is asked
    assert_summed(state, exact, 3)
    assert proxy.selection().column("id") == second.selection().column("id")
    assert [entry.kind for entry in stranger.entries()].count("debit") == 1
    assert Ledger.open(folder / "ledger-3.sqlite").spent() == 0  # no policy that accepts it


def test_a_stranger_and_a_revoked_client_do_not_count(fleet, caplog):
    folder, index = fleet
    state = State.open(folder / "state")
    carried = Carried(state=folder / "state", campaign="phones", out=folder / "proxy", nodes=4, timeout=2)
    with helping(folder / "helper", leader(state)) as url:
        begin_flower_sum(state, folder, index, url, helper_public(folder), accepting=4)
        state.revoke_client(state.clients()[0].key)
        with pytest.raises(TransportError, match="2 reports came"):
            two_party.run(Room(folder, range(4), {3: messages.no_reply()}), carried)
    assert "not enrolled" in caplog.text and sums_of(state).progress("phones").reports == 2


def test_a_campaign_of_releases_and_a_wrong_configuration_are_refused(tmp_path):
    state = State.open(tmp_path / "state")
    with pytest.raises(StateError, match="no two-party sum"):
        two_party.run(Room(tmp_path, []), Carried(state=state.folder, campaign="x", out=tmp_path / "out"))
    with pytest.raises(InvalidInput, match="nodes"):
        Carried.of_run({"state": "s", "campaign": "c", "out": "o", "nodes": 0})


def test_a_task_that_is_none_gets_the_empty_reply(fleet):
    from tests.flower.test_apps import ask

    folder, index = fleet
    content = messages.question(index.probe().to_bytes())
    content["proxyset.task"] = ConfigRecord({"bytes": b"{}"})
    assert ask(index.probe(), folder, 0, content).content == messages.no_reply()
    assert not Ledger.open(folder / "ledger-0.sqlite").spent()
