import pytest

from proxyset_lab.cli import run


@pytest.fixture
def program():
    """`command` runs the lab's commands here."""
    return run
