"""The noise of an aggregator: discrete Gaussian on its share of a sum, before the share leaves it.

Noise of either aggregator alone gives the task's guarantee, against the other and against everybody else; the sum carries that of
both, √2 σ. Nobody clips negative totals: selection takes them as they are.
"""

from __future__ import annotations

import numpy as np

from proxyset.discrete_gaussian import sampler
from proxyset.vdaf import Vector
from proxyset.wire.task import Task


def noised(task: Task, agg_share: Vector) -> bytes:
    """An aggregate share with fresh noise on every count, encoded.

    The caller keeps what this returns before anybody gets it, and returns what it kept whenever it is asked again: noise that was
    drawn twice for one sum could be averaged.

    Args:
        agg_share: (R, words), the aggregator's share of the sum.

    Sensitivity:
        task.privacy.l2_sensitivity, of the sum: modulo the field's prime, a share's sensitivity is that of the sum, whoever knows
        the other share.
    Unit:
        task.privacy.unit, of one client's data.
    Guarantee:
        Who knows all but this aggregator's share and noise learns from the result what a mechanism tells that is
        task.privacy.rho-zCDP. Reducing modulo the prime is post-processing.
    Assumes:
        Each report was counted once, and its client kept `client.shares`' bounds. The caller opens a task once.

    Raises:
        InvalidInput: the task's ρ does not follow from its other numbers.
    """
    privacy, vdaf = task.privacy, task.vdaf
    sample = sampler(task.clusters, privacy.sigma, privacy.l2_sensitivity, privacy.rho)
    noise = sample(np.zeros(task.clusters, np.int64))
    return vdaf.encode_agg_share(vdaf.agg_update(agg_share, vdaf.field.vector(noise.tolist())))
