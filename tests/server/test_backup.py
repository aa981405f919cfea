"""A state is copied whole: to another folder, into PostgreSQL and back, and serves the same campaign there."""

from __future__ import annotations

import json
import shutil
from contextlib import closing

import numpy as np
import pytest

from proxyset import atomic
from proxyset.cli import run
from proxyset.cloud.index import Index
from proxyset.errors import StateError
from proxyset.server import campaigns
from proxyset.server.acting import acting
from proxyset.server.backup import backup, copy, faults
from proxyset.server.encoders import encoder_file
from proxyset.server.records import Scope
from proxyset.server.state import State
from proxyset.wire.campaign import Ask
from tests.server.running import new_client, running, signed
from tests.server.test_rights import release_of
from tests.wire.encoders import package
from tests.wire.models import model

ENCODER = package()


@pytest.fixture
def full(state, index, tmp_path):
    """A state with one of everything; the key of its client."""
    shutil.copytree(index.folder, tmp_path / "here" / "index")
    campaigns.create(
        state, "one", Index.open(tmp_path / "here" / "index"), Ask(), budget=5, strategy="random"
    )
    key = new_client(state)
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.save(tmp_path / "pool.npy", X)
    with running(state) as url:
        data = release_of(tmp_path, "north", key, state, index)
        assert signed(key, "POST", f"{url}/v1/campaigns/one/releases", data).status_code == 201
    campaigns.draw(state, "one")
    import io

    state.publish_model("one", io.BytesIO(model().to_bytes()), "model")
    atomic.write_bytes(state.folder / "encoders" / ENCODER.card.encoder.fingerprint, ENCODER.to_bytes())
    state.accounts.create("ann", [Scope.read])
    state.create_token("south")
    assert list(faults(state)) == []
    return state, key


def test_there_and_back(full, place, tmp_path, request):
    source, key = full
    copied = backup(source, tmp_path / "copy")
    assert copied.missing == () and copied.rows["releases"] == copied.rows["selections"] == 1
    shutil.rmtree(tmp_path / "here")  # the machine is gone, with its index
    kept = (tmp_path / "copy").rename(tmp_path / "elsewhere")
    postgres = request.getfixturevalue("postgres") if not isinstance(place, type(tmp_path)) else None
    other = postgres.fresh(tmp_path / "new files") if postgres else tmp_path / "new"
    with closing(State.open(kept, create=False)) as stored, closing(State.open(other)) as target:
        copy(stored, target)
        assert list(faults(target)) == []
        assert target.campaigns() == source.campaigns() and target.releases("one") == source.releases("one")
        assert target.clients() == source.clients() and target.tokens() == source.tokens()
        assert [each.act for each in target.acts()] == [each.act for each in source.acts()]
        assert campaigns.draw(target, "one").card.items == 5
        offered = encoder_file(target, ENCODER.card.encoder.fingerprint)
        assert offered and offered.read_bytes() == ENCODER.to_bytes()
        offered.write_bytes(ENCODER.to_bytes()[:-1])
        assert any("cut off" in fault for fault in faults(target))
        offered.write_bytes(ENCODER.to_bytes())
        assert [each.id for each in target.selections("one")] == [1, 2]
        assert all(
            target.folder in each.folder.parents for each in [*target.indexes(), *target.selections("one")]
        )
        with running(target) as url:
            assert signed(key, "GET", f"{url}/v1/campaigns/one/probe").status_code == 200
            assert signed(key, "GET", f"{url}/v1/campaigns/one/model").status_code == 200
            (offer,) = signed(key, "GET", f"{url}/v1/campaigns").json()["campaigns"]
            assert offer["answered"]
        with pytest.raises(StateError, match="in use"):
            copy(stored, target)


def test_what_is_damaged_is_told(full):
    state, _ = full
    (published,) = (state.model("one"),)
    state.model_file(published).write_bytes(b"x")
    with state._database.writing() as db:
        db.execute("UPDATE releases SET data = ?", (b"x",))
    shutil.rmtree(state.indexes()[0].folder)
    shutil.rmtree(state.selections("one")[0].folder)
    told = "\n".join(faults(state))
    for word in ("release", "model", "proxy set 1", "index"):
        assert word in told
    assert len(told.splitlines()) == 4


def test_acts_are_written_down_and_stay(state):
    with acting("ann", "page"):
        state.create_token("north")
    state.add_client("ab" * 32, "south")
    state.revoke_client("ab" * 32)
    state.revoke_client("ab" * 32)  # changes nothing
    first, second, third = state.acts()
    assert (first.who, first.way, first.act, first.object) == ("ann", "page", "invite client", "north")
    assert (second.way, third.act, third.object) == ("command", "revoke client", "ab" * 32)
    for statement in ("DELETE FROM acts", "UPDATE acts SET who = 'nobody'"):
        with pytest.raises(StateError, match="never changed"), state._database.writing() as db:
            db.execute(statement)
    assert len(state.acts()) == 3


def test_the_commands(place, capsys, tmp_path):
    with closing(State.open(place)) as book:
        book.create_token("north")
    state = str(place)
    assert run(["server", "backup", str(tmp_path / "copy"), "--state", state]) == 0
    assert run(["server", "check", "--state", str(tmp_path / "copy")]) == 0
    assert run(["server", "restore", str(tmp_path / "copy"), "--state", str(tmp_path / "again")]) == 0
    assert run(["server", "backup", str(tmp_path / "copy"), "--state", state]) == 1  # it is there
    capsys.readouterr()
    assert run(["server", "acts", "--state", str(tmp_path / "again")]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0]["act"] == "invite client" and told[0]["object"] == "north"
