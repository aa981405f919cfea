import pytest

from proxyset.bench.digits import DIGITS_SMALL
from proxyset.bench.registry import load


@pytest.fixture(scope="session")
def digits():
    """The real data: from the user's cache, or built through pip."""
    return load(DIGITS_SMALL)
