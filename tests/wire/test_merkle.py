import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.wire.merkle import HashTree, depth, item_leaf, proves


def leaves(size):
    return [item_leaf(f"item {number}", np.full(3, number, np.float32)) for number in range(size)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9, 100])
def test_every_item_has_a_proof_and_no_other(size):
    items = leaves(size)
    tree = HashTree.grow(items)
    for position in range(size):
        proof = tree.proof(position)
        assert proof.shape == (depth(size), 32)
        assert proves(tree.root, size, position, items[position], proof)
        assert not proves(tree.root, size, position, items[position - 1] if size > 1 else b"\0" * 32, proof)
        assert not proves(tree.root, size + 1, position, items[position], proof)
        if size > 1:
            assert not proves(tree.root, size, (position + 1) % size, items[position], proof)


@given(st.integers(1, 40), st.integers(0, 10**6), st.integers(0, 255), st.data())
def test_a_changed_proof_proves_nothing(size, byte, flip, data):
    items, position = leaves(size), data.draw(st.integers(0, size - 1))
    tree = HashTree.grow(items)
    proof = tree.proof(position).copy()
    if proof.size and flip:
        proof.flat[byte % proof.size] ^= flip
        assert not proves(tree.root, size, position, items[position], proof)


def test_filling_is_not_an_item():
    tree = HashTree.grow(leaves(3))
    assert not proves(tree.root, 3, 3, b"\0" * 32, tree.proof(3))
    assert not proves(tree.root, 4, 3, b"\0" * 32, tree.proof(3))


def test_ids_and_values_cannot_be_shifted_into_each_other():
    assert item_leaf("a", np.frombuffer(b"bcdefghi", "<f4")) != item_leaf(
        "abcde", np.frombuffer(b"fghi", "<f4")
    )


def test_order_matters():
    items = leaves(5)
    assert HashTree.grow(items).root != HashTree.grow(items[::-1]).root
