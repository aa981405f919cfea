from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from proxyset.jobs.agreement import agreement, cohen_kappa, krippendorff_alpha
from proxyset.jobs.labels import Answer

_label = st.sampled_from("abc")


@given(st.lists(st.tuples(_label, _label), min_size=1, max_size=30))
def test_kappa_is_that_of_scikit_learn(pairs):
    one, other = zip(*pairs, strict=True)
    ours = cohen_kappa(pairs)
    if ours is None:
        assert len({*one, *other}) == 1
    else:
        assert ours == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def _slow_alpha(units):
    """From the matrix of coincidences, as Krippendorff writes it."""
    coincidences = {}
    for labels in units:
        for a, b in permutations(labels, 2):
            coincidences[a, b] = coincidences.get((a, b), 0) + 1 / (len(labels) - 1)
    margins = {c: sum(value for (a, _), value in coincidences.items() if a == c) for c in "abc"}
    n = sum(margins.values())
    observed = sum(value for (a, b), value in coincidences.items() if a != b)
    expected = sum(margins[a] * margins[b] for a in "abc" for b in "abc" if a != b) / (n - 1) if n else 0
    return 1 - observed / expected if expected else None


@given(st.lists(st.lists(_label, max_size=5), max_size=20))
def test_alpha_is_that_of_the_coincidence_matrix(units):
    assert krippendorff_alpha(units) == pytest.approx(_slow_alpha(units), abs=1e-9)


def test_alpha_of_krippendorffs_own_example():
    # Krippendorff, Computing Krippendorff's alpha-reliability (2011), section C: four observers, nominal data, 0.743
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    rows = [row.split() for row in observers]
    units = [[label for label in column if label != "."] for column in zip(*rows, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_agreement_of_three_annotators_who_share_some_items():
    answers = [Answer(*row) for row in (
        ("1", "a", "x"), ("1", "a", "y"), ("2", "a", "x"), ("2", "b", "y"), ("3", "b", "x"), ("4", "", "x"), ("4", "b", "z"),
        ("5", "b", "x"), ("5", "b", "y"),
    )]  # fmt: skip
    found = agreement(answers)
    assert (found.items, found.disagreed) == (3, ("2",))
    (pair,) = found.pairs
    assert (pair.one, pair.other, pair.items, pair.observed) == ("x", "y", 3, pytest.approx(2 / 3))
    assert pair.kappa == pytest.approx(cohen_kappa_score(["a", "a", "b"], ["a", "b", "b"]))
    assert found.alpha == pytest.approx(_slow_alpha([["a", "a"], ["a", "b"], ["b", "b"]]))


def test_one_annotator_agrees_with_nobody():
    assert agreement([Answer("1", "a"), Answer("2", "b")]).alpha is None
