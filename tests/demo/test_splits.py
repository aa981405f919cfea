import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.demo.splits import split
from proxyset.errors import InvalidInput


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_parts_are_disjoint_and_complete(domains, seed):
    domains = [*domains, *"aaaaa"]
    made = split(domains, "a", seed)
    own = set(np.flatnonzero(np.array(domains) == "a"))
    parts = [set(made.test), set(made.client), set(made.in_distribution)]
    assert set().union(*parts) == own and sum(map(len, parts)) == len(own)
    assert set(made.pool) == (set(range(len(domains))) - own) | parts[2]
    assert len(made.pool) == len(set(made.pool))
    again = split(domains, "a", seed)
    assert all(np.array_equal(getattr(made, part), getattr(again, part)) for part in vars(made))


def test_the_digits_are_split_like_the_paper(digits):
    domains = digits["domain"].to_pylist()
    made = split(domains, "synth", 0)
    assert (len(made.test), len(made.client), len(made.in_distribution), len(made.pool)) == (
        500,
        1000,
        1000,
        11_000,
    )
    assert 0.09 <= made.share <= 0.11
    assert set(split(domains, "synth", 1).test) != set(made.test)


def test_what_cannot_be_split():
    with pytest.raises(InvalidInput, match="choose a, b"):
        split(["a", "b"], "c", 0)
    with pytest.raises(InvalidInput, match="2 items of 'a'"):
        split(["a", "a", "b"], "a", 0)
