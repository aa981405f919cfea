"""A sum over clients that a minority of liars moves little: Huber's clipping around the median, cluster by cluster.

With x_i = w_i·count_i of one cluster, m their median and s = max(1.4826 · median |x − m|, median w_i·σ_i):

    total = n·m + Σ_i clip(x_i − m, −κs, κs)                 κ = 1.5

One step of Huber's M-estimator (1964) from the median. s is never less than the noise that everybody has, so where clients
are small and noise is what they differ by, hardly anything honest is cut, however unlike they are. What it cuts is a client
that alone holds a cluster: its count there is taken for m + κs, so the cluster is still seen, though not how full it is.

Liars: as long as they are fewer than half, m and s stay within what honest clients sent, and each liar moves a cluster by κs
and its share of the median, wherever it puts how much. Without liars the noise is √1.055 = 1.027 times that of the plain sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proxyset.wire.release import Release

KAPPA = 1.5
_TO_DEVIATION = 1.4826  # of a normal distribution, from the median absolute deviation
_HELD_BYTES = 64 << 20  # of counts in float32 at once: 10,000 releases of 1,600 counts
_WORK_BYTES = 2 << 20  # of them in float64; the work takes five times as much

Array = NDArray[np.float64]


def _inflation() -> float:
    """Standard deviation of the total of many normal x_i, over that of their sum: from the influence function
    clip(x, ±κ) + P(|x| > κ)·√(π/2)·sign x.
    """
    density = math.exp(-(KAPPA**2) / 2) / math.sqrt(2 * math.pi)
    outside = math.erfc(KAPPA / math.sqrt(2))
    square = (1 - outside) - 2 * KAPPA * density + KAPPA**2 * outside
    absolute = 2 * (1 / math.sqrt(2 * math.pi) - density) + KAPPA * outside
    median = outside * math.sqrt(math.pi / 2)
    return math.sqrt(square + 2 * median * absolute + median**2)


INFLATION = _inflation()


def total(releases: Sequence[Release], weights: Array, noise: Array) -> tuple[Array, float]:
    """The robust sum of releases.

    Args:
        releases: n ≥ 1 of R counts each; read once for every 64 MiB of counts, which are held in float32: one above 2²⁴ is
            rounded by at most 1 in 2²⁴ of itself.
        weights: (n,) in (0, 1].
        noise: (n,) standard deviations of the noise in each weighted count.

    Returns:
        (R,) totals, and the standard deviation of the noise in each: √Σ noise² · INFLATION.
    """
    n, clusters = len(releases), len(releases[0].counts)
    width, step = max(1, _HELD_BYTES // (4 * n)), max(1, _WORK_BYTES // (8 * n))
    totals, least = np.empty(clusters), float(np.median(noise))
    for start in range(0, clusters, width):
        stop = min(start + width, clusters)
        held = np.empty((n, stop - start), np.float32)
        for row, release in enumerate(releases):
            held[row] = release.records[start:stop]
        for low in range(start, stop, step):
            high = min(low + step, stop)
            totals[low:high] = huber(weights[:, None] * held[:, low - start : high - start], least)
    return totals, float(np.linalg.norm(noise)) * INFLATION


def huber(x: Array, least: float) -> Array:
    """n·m + Σ clip(x − m, ±κs) of each column.

    Args:
        x: (n, R).
        least: what s is never below.
    """
    median = np.median(x, axis=0)
    scale = np.maximum(_TO_DEVIATION * np.median(np.abs(x - median), axis=0), least)
    clipped: Array = np.clip(x - median, -KAPPA * scale, KAPPA * scale)
    summed: Array = len(x) * median + clipped.sum(axis=0)
    return summed
