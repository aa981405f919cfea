"""A server's state, empty, and an index for its campaigns."""

import pytest

from proxyset.server.state import State
from tests.server.running import tiny_index


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return tiny_index(tmp_path_factory.mktemp("index"))


@pytest.fixture
def state(tmp_path):
    book = State.open(tmp_path / "state")
    yield book
    book.close()
