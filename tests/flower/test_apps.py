"""Both apps in one process; test_processes.py has the real SuperLink and SuperNodes."""

import logging
import time

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key
from proxyset.errors import ArtifactError, InvalidInput, TransportError
from proxyset.flower import client_app, messages, server_app
from proxyset.flower.server_app import Campaign, collect
from proxyset.wire.release import Release


@pytest.fixture(autouse=True)
def _task(monkeypatch):
    """What Flower sets before it calls an app."""
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


def ask(probe, folder, number, content=None):
    """One question to one node, as its SuperNode hands it over."""
    context = Context(0, number, {"settings": str(folder / f"node-{number}.toml")}, RecordDict(), {})
    content = messages.question(probe.to_bytes()) if content is None else content
    return client_app.app(Message(content, number, messages.MESSAGE_TYPE), context)


class Room(Grid):
    """A grid whose nodes are in this process; `replies` changes what some of them send, None says nothing."""

    def __init__(self, folder, nodes, replies=None):
        self.folder, self.nodes, self.replies, self.sent = folder, nodes, replies or {}, {}

    def set_run(self, run): ...

    run = property(lambda self: None)

    def create_message(self, *arguments): ...

    def get_node_ids(self):
        return list(self.nodes)

    def push_messages(self, outgoing):
        for message in outgoing:  # the SuperLink gives them their ids
            name = f"m{message.metadata.dst_node_id}"
            message.metadata.__dict__["_message_id"] = name
            self.sent[name] = message
        return list(self.sent)

    def pull_messages(self, message_ids):
        for name in sorted(message_ids):
            number = self.sent[name].metadata.dst_node_id
            if number not in self.replies:
                settings = {"settings": str(self.folder / f"node-{number}.toml")}
                yield client_app.app(self.sent[name], Context(0, number, settings, RecordDict(), {}))
            elif self.replies[number] is not None:
                yield Message(self.replies[number], reply_to=self.sent[name])

    def send_and_receive(self, outgoing, *, timeout=None): ...


def test_the_release_is_the_ledgers(fleet):
    folder, index = fleet
    probe = index.probe()
    data = messages.release_of(ask(probe, folder, 0).content)
    stored = Ledger.open(folder / "ledger-0.sqlite")
    assert stored.spent() == pytest.approx(Release.from_bytes(data).privacy.rho)
    assert messages.release_of(ask(probe, folder, 0).content) == data  # asked again: the same, at no cost
    assert stored.spent() == pytest.approx(Release.from_bytes(data).privacy.rho)


def test_whatever_fails_the_reply_is_the_same_and_says_nothing(fleet, caplog):
    folder, index = fleet
    probe = index.probe()
    adopt(Ledger.open(folder / "ledger-0.sqlite"), b'unit = "record"\nencoders = "any"\nmost_epsilon = 0.1')
    (folder / "private-1.npy").unlink()
    with caplog.at_level(logging.ERROR, "flwr.proxyset"):
        logging.getLogger("flwr").propagate = True
        replies = [ask(probe, folder, number) for number in range(2)]
        replies += [ask(probe, folder, 3, RecordDict()), ask(probe, folder, 9)]
        replies.append(ask(probe, folder, 3, messages.question(probe.to_bytes()[:-9])))
    assert [reply.has_error() for reply in replies] == [False] * 5
    assert [reply.content for reply in replies] == [messages.no_reply()] * 5
    for why in ("Refused", "private-1.npy", "no probe", "node-9.toml", "ArtifactError"):
        assert why in caplog.text  # for the owner, on the owner's machine
    assert not Ledger.open(folder / "ledger-1.sqlite").spent()


def test_what_the_records_say_decides_nothing(fleet):
    """A file that holds no record is answered as one that does, and costs the same."""
    folder, index = fleet
    probe = index.probe()
    (folder / "private-1.npy").write_bytes(b"no array")
    releases = [
        Release.from_bytes(messages.release_of(ask(probe, folder, number).content)) for number in (0, 1)
    ]
    assert releases[0].privacy == releases[1].privacy
    spent = [Ledger.open(folder / f"ledger-{number}.sqlite").spent() for number in (0, 1)]
    assert spent[0] == spent[1] > 0


def test_a_record_that_cannot_be_read_stops_no_reply(fleet):
    folder, index = fleet
    spoilt = np.load(folder / "private-1.npy")
    spoilt[7] = np.nan
    np.save(folder / "private-1.npy", spoilt)
    assert messages.release_of(ask(index.probe(), folder, 1).content)


def test_a_campaign_takes_what_is_a_release_and_leaves_the_rest(fleet):
    folder, index = fleet
    probe = index.probe()
    make_key(Ledger.open(folder / "ledger-3.sqlite"))
    (folder / "node-4.toml").write_text(
        (folder / "node-3.toml").read_text() + 'server = "b"\ndataset = "again"\n'
    )
    release = messages.release_of(ask(probe, folder, 0).content)
    other = {
        1: messages.no_reply(),
        2: messages.reply(release[:-1]),
        5: Error(0, "text of an exception"),
        6: RecordDict({"proxyset.release": ConfigRecord({"bytes": 5})}),
        7: messages.reply(release),
        8: None,
    }
    found = collect(Room(folder, range(9), other), probe, folder / "kept", nodes=9, timeout=3)
    assert (found.asked, found.declined) == (9, 3)
    assert found.releases[0].fingerprint == Release.from_bytes(release).fingerprint
    # of node 0 and 7, which sent the same, one; of 3 and 4, which are one client with one key, one
    assert len(found.releases) == 2


def test_too_few_nodes_and_no_release_are_errors(fleet, tmp_path):
    folder, index = fleet
    probe = index.probe()
    begin = time.monotonic()
    with pytest.raises(TransportError, match="2 nodes are connected, the campaign waits for 3"):
        collect(Room(folder, range(2)), probe, tmp_path / "kept", nodes=3, timeout=1)
    assert time.monotonic() - begin < 60
    campaign = Campaign(index=index.folder, out=tmp_path / "proxy", budget=5, timeout=2)
    nobody = Room(folder, [1], {1: messages.no_reply()})
    with pytest.raises(TransportError, match="none of 1 nodes"):
        server_app.run(nobody, campaign)
    answered = server_app.run(Room(folder, [1, 2, 3]), campaign)
    assert answered.card.items == 5
    assert len(answered.card.releases) == 3


def test_the_runs_configuration():
    found = Campaign.of_run({"index": "i", "out": "o", "budget": 3, "max-weight": 1.5, "combine": "robust"})
    assert (found.max_weight, found.combine, found.nodes) == (1.5, "robust", 1)
    with pytest.raises(InvalidInput, match="budget"):
        Campaign.of_run({"index": "i", "out": "o", "budget": 0})
    with pytest.raises(ArtifactError, match="no probe"):
        messages.probe_of(RecordDict())
