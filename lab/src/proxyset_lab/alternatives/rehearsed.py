"""Settings that a rival could be given are chosen where a user could choose them: on other sites, and never on test items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from proxyset_lab.task import Task

Setting = TypeVar("Setting")


def rehearsed(
    task: Task, settings: Sequence[Setting], scores: Callable[[Task, Sequence[Setting]], list[float]]
) -> Setting:
    """The setting that is best, on average, where public sites play the client (see `Task.rehearsals`).

    Each rehearsal is the whole method on that site's items, with its own start and its own noise. All that it reads is public, so
    nothing is spent.

    Args:
        settings: to choose from.
        scores: the method: its score in a task for each of some settings.
    """
    tried = np.mean([scores(other, settings) for other in task.rehearsals], axis=0)
    return settings[int(np.argmax(tried))]
