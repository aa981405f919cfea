"""Sessions in the state: known to every server of it, until they are idle for too long."""

import pytest

from proxyset.page.sessions import IDLE_SECONDS
from proxyset.server.page.sessions import StoredSessions
from proxyset.server.state import State


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state"


def test_two_servers_know_one_session(state, place):
    now = [1000.0]
    other = State.open(place)
    here, there = StoredSessions(state, lambda: now[0]), StoredSessions(other, lambda: now[0])
    cookie = here.begin("ann")
    one, two = here.find(cookie), there.find(cookie)
    assert (one.name, one.csrf) == (two.name, two.csrf) and one.name == "ann"
    one.say("first")
    two.say("second")
    assert there.find(cookie).take_messages() == ["first", "second"]
    assert here.find(cookie).take_messages() == []
    now[0] += IDLE_SECONDS - 1
    assert there.find(cookie)  # and it was seen again
    now[0] += IDLE_SECONDS - 1
    assert here.find(cookie)
    now[0] += IDLE_SECONDS + 1
    assert here.find(cookie) is None and here.find("") is None and here.find("x") is None
    assert cookie not in (place / "state.sqlite").read_bytes().decode("latin-1")
    fresh = here.begin("bob")
    there.end(fresh)
    assert here.find(fresh) is None
    other.close()
