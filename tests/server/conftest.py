"""A server's state, empty, in each kind of database, and an index for its campaigns."""

import pytest

from proxyset.server.state import State
from proxyset_lab.service.postgres import programs, running_postgres
from tests.server.running import tiny_index


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return tiny_index(tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="session")
def postgres():
    if programs() is None:
        pytest.skip("there is no PostgreSQL")
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """What a new state is called."""
    if request.param == "sqlite":
        return tmp_path / "state"
    return request.getfixturevalue("postgres").fresh(tmp_path / "files")


@pytest.fixture
def state(place):
    book = State.open(place)
    yield book
    book.close()
