import pytest

from proxyset.demo.cache import load
from proxyset.demo.digits import DIGITS_SMALL


@pytest.fixture(scope="session")
def digits():
    """The real data: from the user's cache, or built through pip."""
    return load(DIGITS_SMALL)
