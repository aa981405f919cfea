"""The writer against a real state: who waits is answered, whatever happens to it."""

import threading
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


class Told:
    """Collects what a writer tells, and the sizes of its commits."""

    def __init__(self):
        self.outcomes, self.sizes, self._more = {}, [], threading.Condition()

    def __call__(self, settled):
        with self._more:
            self.outcomes |= dict(settled)
            self.sizes.append(len(settled))
            self._more.notify()

    def wait(self, tickets):
        with self._more:
            assert self._more.wait_for(lambda: set(tickets) <= set(self.outcomes), 30)
            return [self.outcomes[ticket] for ticket in tickets]


def send(writer, told, numbers, start=0):
    tickets = range(start, start + len(numbers))
    for ticket, number in zip(tickets, numbers, strict=True):
        writer.store(ticket, submission(client=f"k{number}", fingerprint=str(number)))
    return told.wait(tickets)


def test_those_who_wait_share_a_commit(state):
    writer = Writer(state, told := Told())
    writer.start()
    assert send(writer, told, range(40)) == [Outcome.stored] * 40
    assert send(writer, told, [3, 3, 4], 40) == [Outcome.known] * 3
    writer.stop()
    assert sum(told.sizes) == 43 and len(told.sizes) < 20
    assert state.release_counts() == {"one": 40}


def test_stopping_stores_what_waits(state):
    writer = Writer(state, told := Told())
    for number in range(9):
        writer.store(number, submission(client=f"k{number}", fingerprint=str(number)))
    writer.start()
    writer.stop()
    assert list(told.outcomes.values()) == [Outcome.stored] * 9


def test_a_state_that_cannot_be_written_acknowledges_nothing(state, tmp_path):
    writer = Writer(state, told := Told())
    writer.start()
    state.close()
    (tmp_path / "state" / "state.sqlite").rename(tmp_path / "away")
    (tmp_path / "state" / "state.sqlite").mkdir()
    (failed,) = send(writer, told, [1])
    assert isinstance(failed, StateError)
    (tmp_path / "state" / "state.sqlite").rmdir()
    (tmp_path / "away").rename(tmp_path / "state" / "state.sqlite")
    assert send(writer, told, [1], 1) == [Outcome.stored]
    writer.stop()
