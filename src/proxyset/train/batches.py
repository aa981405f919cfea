"""Which items a step sees, and how they become input: functions of seed and step alone, so that a run that was stopped goes
on as if it had not been."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LABELED, UNLABELED, CHANGES, UNLABELED_CHANGES, LAYERS = range(
    5
)  # streams of randomness, so that none repeats another


def generator(seed: int, stream: int, number: int) -> torch.Generator:
    """Randomness of one epoch or step, on the CPU."""
    return torch.Generator().manual_seed(derived(seed, stream, number))


def derived(*numbers: int) -> int:
    """A seed in [0, 2⁶³) from non-negative integers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def rows(items: int, size: int, step: int, seed: int, stream: int = LABELED) -> Tensor:
    """(size,) int64 rows of a step: shuffled epochs, one after the other, so that every item comes equally often."""
    places = torch.arange(step * size, (step + 1) * size)
    epochs = places // items
    found = torch.empty(size, dtype=torch.int64)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        here = epochs == epoch
        order = torch.randperm(items, generator=generator(seed, stream, epoch))
        found[here] = order[places[here] % items]
    return found


def as_input(items: Tensor, device: torch.device) -> Tensor:
    """Float32 on the device: pixels (uint8) as [0, 1], embeddings as they are."""
    moved = items.to(device)
    return moved.float() / 255 if moved.dtype == torch.uint8 else moved.float()


def as_tensor(items: NDArray[Any]) -> Tensor:
    """The same memory, where torch can share it."""
    array = np.ascontiguousarray(items)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
