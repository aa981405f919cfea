import numpy as np
import pytest

from proxyset.errors import InvalidInput
from proxyset.jobs.suspicious import suspicious


def test_most_flipped_labels_are_found():
    rng = np.random.default_rng(0)
    codes = np.arange(300) % 3
    X = rng.normal(size=(3, 8))[codes] * 4 + rng.normal(size=(300, 8))
    flipped = rng.choice(300, 15, replace=False)
    given = codes.copy()
    given[flipped] = (given[flipped] + 1) % 3
    suspects, alone = suspicious(X, given)
    found = [suspect for suspect in suspects if suspect.row in flipped]
    # six seeds found 13 to 15 among 13 to 16
    assert not len(alone) and len(found) >= 12 and len(suspects) <= 18
    assert all(suspect.suggested == codes[suspect.row] for suspect in found)
    confidences = [suspect.confidence for suspect in suspects]
    assert confidences == sorted(confidences)


def test_the_only_item_of_its_class_is_not_judged():
    X = np.random.default_rng(0).normal(size=(9, 2))
    suspects, alone = suspicious(X, [5, 5, 5, 5, 9, 9, 9, 9, 2])
    assert alone.tolist() == [8] and all(suspect.row != 8 for suspect in suspects)


@pytest.mark.parametrize("codes", [[0, 0, 0], [0, 1, 2], [0, 0, 1]])
def test_too_little_to_judge(codes):
    suspects, alone = suspicious(np.zeros((3, 2)), codes)
    assert not suspects and alone.tolist() == [0, 1, 2]


def test_shapes_must_fit():
    with pytest.raises(InvalidInput, match="2 labels do not fit"):
        suspicious(np.zeros((3, 2)), [0, 1])
