import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.bench.savings import labels_needed

CURVE = [(500, 0.5), (1000, 0.6), (2000, 0.58), (4000, 0.8)]


@pytest.mark.parametrize(
    ("accuracy", "needed"),
    [
        (0.5, (500, "")),
        (0.55, (500 * 2**0.5, "")),
        (0.6, (1000, "")),
        (0.7, (2000 * 2**0.5, "")),
        (0.8, (4000, "")),
        (0.81, (4000, "more than ")),
        (0.4, (500, "fewer than ")),
    ],
)
def test_between_budgets_and_beyond_them(accuracy, needed):
    assert labels_needed(CURVE, accuracy) == (pytest.approx(needed[0]), needed[1])


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_accuracy_never_needs_fewer_labels(one, other):
    low, high = sorted((one, other))
    assert labels_needed(CURVE, low)[0] <= labels_needed(CURVE, high)[0]
