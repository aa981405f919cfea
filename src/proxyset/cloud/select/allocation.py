"""Spreading a budget over clusters in proportion to their scores, one pick at a time."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray


def allocate(scores: NDArray[np.floating], capacities: NDArray[np.integer], budget: int) -> NDArray[np.intp]:
    """The order in which clusters receive picks: the divisor method of Sainte-Laguë (Webster).

    Pick t goes to the cluster with the largest score / (2·picks + 1) that has room left. The method is proportional and
    house-monotone: the first B' entries are exactly the allocation of the smaller budget B'.

    Args:
        scores: (R,) finite; clusters with score ≤ 0 receive nothing.
        capacities: (R,) most picks of each cluster.
        budget: number of picks wanted.

    Returns:
        (m,) cluster numbers, m = min(budget, total capacity of the clusters with a positive score). Of equal quotients
        the lowest cluster wins.
    """
    heap = [(-float(scores[j]), int(j)) for j in np.flatnonzero((scores > 0) & (capacities > 0))]
    heapq.heapify(heap)
    picks = np.zeros(len(scores), np.intp)
    order: list[int] = []
    while heap and len(order) < budget:
        _, j = heap[0]
        order.append(j)
        picks[j] += 1
        if picks[j] < capacities[j]:
            heapq.heapreplace(heap, (-float(scores[j]) / (2 * int(picks[j]) + 1), j))
        else:
            heapq.heappop(heap)
    return np.array(order, np.intp)
