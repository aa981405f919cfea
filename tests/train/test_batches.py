import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from proxyset.train import batches


@given(items=st.integers(1, 40), size=st.integers(1, 50), seed=st.integers(0, 99))
def test_every_item_comes_once_an_epoch(items, size, seed):
    steps = -(-3 * items // size)
    seen = torch.cat([batches.rows(items, size, step, seed) for step in range(steps)])
    for epoch in range(3):
        assert sorted(seen[epoch * items : (epoch + 1) * items].tolist()) == list(range(items))


def test_steps_are_functions_of_seed_and_number():
    assert torch.equal(batches.rows(100, 8, 7, 1), batches.rows(100, 8, 7, 1))
    assert not torch.equal(batches.rows(100, 8, 7, 1), batches.rows(100, 8, 7, 2))
    assert not torch.equal(
        batches.rows(100, 8, 7, 1, batches.LABELED), batches.rows(100, 8, 7, 1, batches.UNLABELED)
    )


def test_pixels_become_shares_and_embeddings_stay():
    cpu = torch.device("cpu")
    assert batches.as_input(torch.tensor([0, 255], dtype=torch.uint8), cpu).tolist() == [0.0, 1.0]
    assert batches.as_input(torch.tensor([0.0, 255.0]), cpu).tolist() == [0.0, 255.0]


def test_read_only_arrays_are_copied():
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    batches.as_tensor(array)[0] = 1
    assert array[0] == 0
