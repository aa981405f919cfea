"""What the page keeps: made once, for everybody, and made again when it must be."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from proxyset.server import campaigns
from proxyset.server.page.library import Kept, Library
from proxyset.server.state import State
from proxyset.server.submission import submission_of
from proxyset.wire.signing import public_half
from proxyset_lab.service.fleet import Fleet


def test_each_value_is_made_once_by_many_threads():
    kept, made = Kept(3), []
    everybody = threading.Barrier(8)

    def ask(number):
        everybody.wait()
        kept.get(number % 2, lambda: made.append(number % 2))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [0, 1]


def test_nobody_waits_for_what_another_makes():
    kept, begun, go_on = Kept(3), threading.Event(), threading.Event()

    def slowly():
        begun.set()
        assert go_on.wait(30)
        return "slow"

    thread = threading.Thread(target=lambda: kept.get("slow", slowly))
    thread.start()
    assert begun.wait(30)
    assert kept.get("quick", lambda: "quick") == "quick"
    go_on.set()
    thread.join()
    assert kept.get("slow", lambda: "again") == "slow"


def test_the_oldest_is_forgotten_and_a_failure_is_not_kept():
    kept = Kept(2)
    for name in "aba":
        kept.get(name, lambda: "first")
    kept.get("c", lambda: "first")
    assert [kept.get(name, lambda: "again") for name in "acb"] == ["first", "first", "again"]
    with pytest.raises(ZeroDivisionError):
        kept.get("d", lambda: 1 // 0)
    assert kept.get("d", lambda: "made") == "made"


def test_releases_are_combined_again_only_when_more_have_come(tmp_path):
    fleet = Fleet.enrolled(tmp_path, clients=4, campaigns=2, clusters=6)
    state = State.open(tmp_path)
    library, campaign = Library(state), state.campaign("campaign-0")
    assert library.coverage("campaign-0") is None

    def send(client):
        release, key = fleet.release(client), public_half(fleet.keys[client])
        state.store([submission_of(release, release.to_bytes(), campaign, key)])

    for client in range(4):
        send(client)
        found = library.coverage("campaign-0")
        np.testing.assert_array_equal(found.counts, campaigns.coverage(state, "campaign-0").counts)
        assert library.coverage("campaign-0") is found
    assert library.coverage("campaign-1") is None
    state.close()
