"""kill -9 under load, a few times; `proxyset-lab kill --times 50` is the long form."""

import pytest

from proxyset_lab.service.kill import kill_again_and_again


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_stored_twice():
    tally = kill_again_and_again(3, seconds=1.0, clients=50)
    assert (tally.kills, tally.lost, tally.doubled, tally.integrity) == (3, 0, 0, "ok")
    assert tally.stored >= len(tally.acknowledged) > 0
