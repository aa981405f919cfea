"""kill -9 under load, a few times, or PROXYSET_KILLS times; `proxyset-lab kill --times 50` is the long form."""

import os

import pytest

from proxyset_lab.service import nginx, postgres
from proxyset_lab.service.kill import kill_again_and_again

KILLS = int(os.environ.get("PROXYSET_KILLS", "2"))


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_stored_twice():
    tally = kill_again_and_again(KILLS, seconds=1.0, clients=20)
    assert (tally.kills.total(), tally.lost, tally.doubled, tally.integrity) == (KILLS, 0, 0, "ok")
    assert tally.stored >= len(tally.acknowledged) > 0


@pytest.mark.thorough  # the suite kills one server on SQLite
@pytest.mark.skipif(
    nginx.program() is None or postgres.programs() is None, reason="nginx or PostgreSQL is not there"
)
def test_two_servers_and_their_database():
    tally = kill_again_and_again(KILLS, seconds=1.0, clients=20, servers=2)
    assert (tally.kills.total(), tally.lost, tally.doubled) == (KILLS, 0, 0)
    assert tally.stored >= len(tally.acknowledged) > 0
