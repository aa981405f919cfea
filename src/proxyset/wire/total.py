"""The total: what two aggregators open together, in the place of many clients' releases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.wire.release import Release
from proxyset.wire.task import Task


@dataclass(frozen=True)
class Total(Release):
    """R noisy sums. `privacy` says what one aggregator's noise gives, which is what holds whoever of the two is honest; the counts
    carry the noise of both, and that of votes that were randomised at home.

    Attributes:
        scale: what the sums were multiplied with, to undo what randomising took from them.
        variance: of a sum that randomising left, before that, as a mean over the clusters.
    """

    scale: float = 1.0
    variance: float = 0.0

    @property
    def noise(self) -> float:
        return self.scale * math.sqrt(2 * self.privacy.noise**2 + self.variance)

    @classmethod
    def of(cls, task: Task, sums: NDArray[np.int64], reports: int) -> Total:
        """The votes behind the sums of so many reports: their unbiased estimate, rounded to whole votes. Without a floor, the sums.

        With γ = task.truthful and N = reports · task.most votes, of which a cluster expects x γ + N (1 − γ)/k where x were cast.
        """
        truth, votes, answers = float(task.truthful), reports * task.most, task.clusters + 1
        other = (1 - truth) / answers
        same = truth + other
        spread = votes / answers * (same * (1 - same) + (answers - 1) * other * (1 - other))
        counts = np.rint((sums - votes * other) / truth).astype(np.int64)
        return cls(counts, task.probe, task.index, task.privacy, scale=1 / truth, variance=spread)
