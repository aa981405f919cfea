"""Probes that wait for their owner."""

from __future__ import annotations

import pytest

from proxyset.agent import inbox
from proxyset.client.decisions import refuse
from proxyset.errors import ArtifactError, LedgerError, Refused
from tests.client.asking import make_questions
from tests.client.conftest import make_probe


def test_kept_once_for_each_server_and_found_again(ledger, probe):
    first = inbox.put(ledger, probe.data, "a", "http://a")
    assert inbox.put(ledger, probe.data, "a", "http://a") == first
    second = inbox.put(ledger, probe.data, "b")
    assert {ask.name for ask in inbox.asks(ledger)} == {first.name, second.name}
    assert inbox.find(ledger, first.name) == first
    kept = inbox.message_of(ledger, probe.fingerprint)
    assert kept is not None and kept.data == probe.data
    inbox.remove(ledger, first)
    assert inbox.message_of(ledger, probe.fingerprint) is not None
    inbox.remove(ledger, second)
    assert inbox.message_of(ledger, probe.fingerprint) is None
    assert inbox.asks(ledger) == []


def test_waiting_ends_with_a_decision(ledger, probe):
    ask = inbox.put(ledger, probe.data, "a")
    assert inbox.waiting(ledger) == [ask]
    refuse(ledger, ask.probe, ask.server)
    assert inbox.waiting(ledger) == []


@pytest.mark.parametrize("name", ["", "../ledger", "x" * 64, "0" * 64])
def test_a_name_that_is_none(ledger, name):
    assert inbox.find(ledger, name) is None


def test_what_is_no_probe_is_not_kept(ledger):
    with pytest.raises(ArtifactError):
        inbox.put(ledger, b"no probe")
    assert inbox.asks(ledger) == []


def test_a_changed_probe_is_noticed(ledger, probe):
    inbox.put(ledger, probe.data)
    file = next(ledger.path.parent.glob("*.inbox/*.probe"))
    file.write_bytes(make_probe(seed=9).data)
    with pytest.raises(LedgerError, match="changed"):
        inbox.message_of(ledger, probe.fingerprint)


def test_a_flood_is_refused(ledger, monkeypatch):
    monkeypatch.setattr(inbox, "MOST_WAITING", 3)
    for seed in range(3):
        inbox.put(ledger, make_probe(seed=seed).data)
    with pytest.raises(Refused, match="3 questions wait"):
        inbox.put(ledger, make_probe(seed=4).data)


def test_questions_wait_beside_probes(ledger, probe):
    asked = make_questions()
    ask = inbox.put(ledger, asked.data, "a")
    assert (ask.kind, ask.probe) == ("questions", asked.fingerprint)
    assert inbox.put(ledger, asked.data, "a") == ask
    other = inbox.put(ledger, probe.data, "a")
    assert {each.name for each in inbox.waiting(ledger)} == {ask.name, other.name}
    kept = inbox.message_of(ledger, ask.probe)
    assert kept is not None and kept.data == asked.data
    inbox.remove(ledger, ask)
    assert inbox.message_of(ledger, ask.probe) is None
    assert inbox.asks(ledger) == [other]


def test_a_file_is_put_in_as_what_it_says_it_is(ledger, probe):
    assert inbox.put(ledger, probe.data).kind == "probe"
    assert inbox.put(ledger, make_questions().data).kind == "questions"
    for data in (b"", b"x" * 100, make_questions().data[:-1]):
        with pytest.raises(ArtifactError):
            inbox.put(ledger, data)
    with pytest.raises(ArtifactError, match="not a probe"):  # an address gives probes and nothing else
        inbox.put(ledger, make_questions().data, "a", "http://a")


def test_changed_questions_are_noticed(ledger):
    ask = inbox.put(ledger, make_questions().data)
    file = ledger.path.with_name(ledger.path.name + ".inbox") / f"{ask.probe}.questions"
    file.write_bytes(make_questions(purpose="other words").data)
    with pytest.raises(LedgerError, match="was changed"):
        inbox.message_of(ledger, ask.probe)


def test_an_inbox_of_an_earlier_version_is_read(ledger, probe):
    ask = inbox.put(ledger, probe.data, "a")
    file = ledger.path.with_name(ledger.path.name + ".inbox") / f"{ask.name}.json"
    file.write_text(ask.model_dump_json(exclude={"kind"}))
    assert inbox.find(ledger, ask.name) == ask
