from collections import Counter

import numpy as np
import pytest

from proxyset.demo.cache import fetch, load
from proxyset_lab.data import flights


def test_three_airports_without_what_gives_them_away():
    assert fetch(flights.FLIGHTS).as_expected
    table = load(flights.FLIGHTS)
    assert len(table) == flights.FLIGHTS.items == 45_000
    assert {"carrier", "origin", "flight", "arr_delay", "dep_delay", "tailnum"}.isdisjoint(table.column_names)
    assert len(set(table["id"].to_pylist())) == len(table)
    late = np.array(table["label"].to_pylist()) == "late"
    assert 0.15 < late.mean() < 0.35
    assert set(table["weekday"].to_pylist()) == set(range(7))
    assert table["distance"].null_count == 0 and 0 < table["seats"].null_count < 0.3 * len(table)


@pytest.mark.thorough
def test_a_second_build_is_the_same():
    again = flights.build()
    assert again.fingerprint == flights.FLIGHTS.fingerprint
    assert again.table.equals(load(flights.FLIGHTS).replace_schema_metadata(None))


@pytest.mark.slow
def test_many_destinations_without_what_tells_them():
    table = load(flights.FLIGHTS_TO)
    assert {"distance", "dest", "origin"}.isdisjoint(table.column_names)
    counts = Counter(table["domain"].to_pylist())
    assert len(counts) == len(flights.FLIGHTS_TO.domains) == 29
    assert set(counts.values()) == {flights.PER_DESTINATION}
