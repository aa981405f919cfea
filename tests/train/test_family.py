from __future__ import annotations

from itertools import pairwise

import pytest

from proxyset.errors import InvalidInput
from proxyset.train.family import FAMILY, Budget, largest_student, size_of

SMALL = FAMILY[:7]
CLASSES = ("a", "b", "c")


def by_hand(width: int, side: int, classes: int) -> int:
    """Multiply-adds of cnn-W: each convolution is places × filters × 9 × channels before it."""
    total, before = 0, 3
    for after, places in zip(
        (width, 2 * width, 4 * width, 4 * width), (side, side // 2, side // 4, side // 8), strict=True
    ):
        total += places**2 * after * 9 * before
        before = after
    return total + before * classes


def test_counts_are_those_by_hand() -> None:
    for name in SMALL:
        assert size_of(name, CLASSES, 16, "float32").multiply_adds == by_hand(int(name[4:]), 16, 3)


def test_the_family_grows() -> None:
    for precision in ("float32", "int8"):
        sizes = [size_of(name, CLASSES, 16, precision) for name in SMALL]  # type: ignore[arg-type]
        for small, large in pairwise(sizes):
            assert small.bytes < large.bytes and small.multiply_adds < large.multiply_adds


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_largest_that_fits_is_found_as_a_plain_search_finds_it(precision) -> None:  # type: ignore[no-untyped-def]
    sizes = {name: size_of(name, CLASSES, 16, precision) for name in SMALL}
    limits = [size.bytes + extra for size in sizes.values() for extra in (-1, 0)][1:]
    for limit in limits[::3]:
        expected = [name for name, size in sizes.items() if size.bytes <= limit][-1]
        budget = Budget(max_bytes=limit, precision=precision)
        assert largest_student(CLASSES, 16, budget, family=SMALL) == expected
    both = Budget(max_bytes=10**9, max_multiply_adds=sizes["cnn-4"].multiply_adds)
    assert largest_student(CLASSES, 16, both, family=SMALL) == "cnn-4"


def test_nothing_fits() -> None:
    with pytest.raises(InvalidInput, match=r"no student fits.*cnn-2.*allowed are any and 5"):
        largest_student(CLASSES, 16, Budget(max_multiply_adds=5))
    with pytest.raises(InvalidInput, match="how many bytes"):
        largest_student(CLASSES, 16, Budget())
