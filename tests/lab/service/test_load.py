"""The load driver against real servers, small; `proxyset-lab load` is the long form."""

import pytest

from proxyset_lab.service.load import compare, growth, memory


@pytest.mark.slow
def test_many_clients_at_once_get_no_error():
    (loads,) = compare(clients=40, campaigns=2, rounds=1)
    assert set(loads) == {"echo", "ours"}
    for load in loads.values():
        assert load.errors == 0 and load.rate > 0 and load.core_rate > 0 and load.p99 > 0


@pytest.mark.slow
def test_memory_is_sampled_while_clients_come_and_go():
    samples, requests, errors = memory(clients=10, minutes=0.03, pause=0.2)
    assert requests >= 20 and errors == 0
    assert all(mib > 10 for _, mib in samples)


def test_growth_compares_the_second_quarter_with_the_last():
    assert growth([(second, 100.0 + second) for second in range(8)]) == (102.5, 106.5)
    assert growth([(0.0, 50.0)]) == (50.0, 50.0)
