"""What jobs on pixels share: class numbers, the measure on the client's held-out items, and one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from proxyset.train.evaluate import predict
from proxyset_lab.task import Task


def class_numbers(task: Task) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """(n,) the class of every row of the data set, and (K,) the classes' names."""
    classes, numbers = np.unique(task.features.labels, return_inverse=True)
    return numbers.astype(np.int64), classes


def pixel_score(task: Task, model: nn.Module, size: int) -> float:
    """The data set's metric of a model of size × size pixels, on the client's held-out items."""
    test = task.split.test
    _, classes = class_numbers(task)
    return task.training.measure(classes, predict(model, task.features.pixels(size)[test]), task.y[test])


@contextmanager
def one_thread() -> Iterator[None]:
    """Models this small lose more to waiting threads than they gain, and processor time stays comparable."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
