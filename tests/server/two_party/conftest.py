"""A state in a folder; `place` of the folder above has one in each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxyset.server.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    book = State.open(tmp_path / "state")
    yield book
    book.close()
