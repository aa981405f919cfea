import numpy as np
import pytest

from proxyset.errors import InvalidInput
from proxyset.jobs.suspicious import suspicious


def test_flipped_labels_are_found():
    rng = np.random.default_rng(0)
    codes = np.arange(150) % 3
    X = rng.normal(size=(3, 8))[codes] * 4 + rng.normal(size=(150, 8))
    flipped = [7, 50, 90]
    given = codes.copy()
    given[flipped] = (given[flipped] + 1) % 3
    suspects, alone = suspicious(X, given)
    assert not len(alone)
    assert {suspect.row for suspect in suspects} >= set(flipped) and len(suspects) <= 6
    assert all(suspect.suggested == codes[suspect.row] for suspect in suspects if suspect.row in flipped)
    confidences = [suspect.confidence for suspect in suspects]
    assert confidences == sorted(confidences) and confidences[0] < 0.1


def test_the_only_item_of_its_class_is_not_judged():
    X = np.random.default_rng(0).normal(size=(9, 2))
    suspects, alone = suspicious(X, [5, 5, 5, 5, 9, 9, 9, 9, 2])
    assert alone.tolist() == [8] and all(suspect.row != 8 for suspect in suspects)


@pytest.mark.parametrize("codes", [[0, 0, 0], [0, 1, 2], [0, 0, 1], [0, 1]])
def test_too_little_to_judge(codes):
    with pytest.raises(InvalidInput):
        suspicious(np.zeros((3, 2)), codes)
