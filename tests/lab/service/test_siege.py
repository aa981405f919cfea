"""A small siege; `proxyset-lab siege --minutes 10` is the long form."""

import pytest

from proxyset_lab.service.siege import besiege


@pytest.mark.thorough  # each attack by itself, and a client beside it: tests/server/test_attacks.py
def test_a_client_is_served_while_others_attack():
    found = besiege(minutes=0.15, share=0.05)
    assert found.failures == 0 and len(found.times) >= 3
    assert set(found.attacks) == {"silence", "idleness", "slow_body", "large_body", "large_head"}
    assert found.attacks["large_body"] > 1 and found.attacks["large_head"] > 1  # each is ended soon
