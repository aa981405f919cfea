"""The writer against a real state: who waits is answered, whatever happens to it."""

import asyncio
from contextlib import closing

import pytest

from proxyset.cloud.records import Outcome
from proxyset.cloud.service.writer import Writer
from proxyset.cloud.state import State
from proxyset.errors import StateError
from tests.cloud.service.running import begin, tiny_index
from tests.cloud.test_state import submission


@pytest.fixture
def state(tmp_path):
    with closing(State.open(tmp_path / "state")) as book:
        begin(book, tiny_index(tmp_path), "one")
        for number in range(40):
            book.add_client(f"k{number}", "someone")
        yield book


def send(writer, numbers):
    async def all_at_once():
        releases = [submission(client=f"k{n}", fingerprint=str(n)) for n in numbers]
        return await asyncio.gather(*map(writer.store, releases), return_exceptions=True)

    return asyncio.run(all_at_once())


def test_those_who_wait_share_a_commit(state):
    sizes = []
    writer = Writer(state, sizes.append)
    writer.start()
    assert send(writer, range(40)) == [Outcome.stored] * 40
    assert send(writer, [3, 3, 4]) == [Outcome.known] * 3
    writer.stop()
    assert sum(sizes) == 43 and len(sizes) < 20
    assert state.release_counts() == {"one": 40}


def test_stopping_stores_what_waits(state):
    writer = Writer(state)
    writer.start()

    async def stop_at_once():
        waiting = asyncio.gather(
            *(writer.store(submission(client=f"k{n}", fingerprint=str(n))) for n in range(9))
        )
        await asyncio.sleep(0)
        await asyncio.to_thread(writer.stop)
        return await waiting

    assert asyncio.run(stop_at_once()) == [Outcome.stored] * 9
    with pytest.raises(StateError, match="has ended"):
        writer.check()


def test_a_state_that_cannot_be_written_acknowledges_nothing(state, tmp_path):
    writer = Writer(state)
    writer.start()
    state.close()
    (tmp_path / "state" / "state.sqlite").rename(tmp_path / "away")
    (tmp_path / "state" / "state.sqlite").mkdir()
    (failed,) = send(writer, [1])
    assert isinstance(failed, StateError)
    (tmp_path / "state" / "state.sqlite").rmdir()
    (tmp_path / "away").rename(tmp_path / "state" / "state.sqlite")
    assert send(writer, [1]) == [Outcome.stored]
    writer.stop()
