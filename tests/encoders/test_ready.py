import numpy as np
import pytest

from proxyset.encoders.ready import EmbeddingsEncoder
from proxyset.errors import InvalidData


def test_numbers_pass_through():
    X = np.random.default_rng(0).normal(size=(5, 3))
    encoded = EmbeddingsEncoder(3).encode(X)
    assert encoded.embeddings.dtype == np.float32 and not encoded.problems
    np.testing.assert_array_equal(encoded.embeddings, X.astype(np.float32))


def test_rows_that_are_not_finite_are_problems():
    encoded = EmbeddingsEncoder(2).encode(np.array([[1, 2], [np.nan, 0], [0, np.inf], [1e30, 0]]))
    assert sorted(encoded.problems) == [1, 2, 3]
    assert not encoded.embeddings[1:].any()


@pytest.mark.parametrize("wrong", [np.zeros((3, 2)), np.zeros(3), np.array([["a", "b", "c"]]), [b"png"]])
def test_wrong_shapes_and_types(wrong):
    with pytest.raises(InvalidData, match=r"\(n, 3\)"):
        EmbeddingsEncoder(3).encode(wrong)
