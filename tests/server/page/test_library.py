"""What the page keeps: made once, for everybody, and made again when it must be."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.build import build_index
from proxyset.server import campaigns
from proxyset.server.page import atlases
from proxyset.server.page import library as module
from proxyset.server.page.atlas import survey
from proxyset.server.page.library import Kept, Library
from proxyset.server.state import State
from proxyset.server.submission import submission_of
from proxyset.wire.campaign import Ask
from proxyset.wire.release import Release


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


def settled(library, campaign):
    library.work.wait(campaign.id, 60)
    return library.sight(campaign)


@pytest.fixture
def world(tmp_path, blobs):
    """A state with one campaign about an index of blobs, and its library."""
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=6)
    state = State.open(tmp_path / "state")
    campaign = campaigns.create(state, "blobs", index, Ask(), budget=10)
    library = Library(state)
    yield state, library, campaign
    library.work.close()
    state.close()


def answer(state, campaign, number):
    key = f"{number:064x}"
    state.add_client(key, f"client {number}")
    privacy = privacy_statement(0.5)
    release = Release(np.arange(6) + number, campaign.probe, campaign.index, privacy)
    state.store([submission_of(release, release.to_bytes(), campaign, key)])


def test_a_sight_is_drawn_again_only_when_more_has_come(world):
    state, library, campaign = world
    assert settled(library, campaign)[0].coverage is None
    for number in range(3):
        answer(state, campaign, number)
        library.sight(campaign)
        seen, _, _ = settled(library, campaign)
        assert seen.answers == number + 1
        np.testing.assert_array_equal(seen.coverage.counts, campaigns.coverage(state, "blobs").counts)
        assert library.sight(campaign)[0] is seen
        assert library.coverage("blobs") is seen.coverage


def test_no_request_waits_for_a_map_and_everybody_is_told_how_far_it_is(world, monkeypatch):
    """Red before: the first look read all of the pool, and then every release, within the request."""
    state, library, campaign = world
    go_on, drawing = threading.Event(), threading.Event()

    def slowly(index, seen):
        seen(34)
        drawing.set()
        assert go_on.wait(30)
        return survey(index)

    monkeypatch.setattr(atlases, "survey", slowly)
    seen, stage, words = library.sight(campaign)
    assert drawing.wait(30)
    assert (seen, stage) == (None, "running")
    assert library.sight(campaign) == (None, "running", "34 of 1,200 items were looked at to draw the map.")
    go_on.set()
    first = settled(library, campaign)[0]
    assert first.atlas.sizes.sum() == 1200
    answer(state, campaign, 0)  # meanwhile what there is stays to be seen
    monkeypatch.setattr(campaigns, "coverage", lambda *_: 1 // 0)
    monkeypatch.setattr(module, "_PATIENCE", 10)
    seen, stage, words = library.sight(campaign)
    assert (seen, stage) == (first, "failed") and "ZeroDivisionError" in words
    monkeypatch.undo()
    assert library.sight(campaign)[1] == "failed"  # told once
    assert settled(library, campaign)[0].answers == 1  # and then tried again
