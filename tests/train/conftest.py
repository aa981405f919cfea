import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Small models lose more to waiting threads than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bars():
    """(images, labels): 16×16 pictures with a bright bar that lies or stands, and noise."""

    def make(n, seed=0):
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 90, (n, 3, 16, 16), dtype=np.uint8)
        labels = np.arange(n, dtype=np.int64) % 2
        for image, label, place in zip(images, labels, rng.integers(3, 13, n), strict=True):
            if label:
                image[:, :, place] = 255
            else:
                image[:, place, :] = 255
        return images, labels

    return make
