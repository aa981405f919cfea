"""A mean of paired differences and its 95 % interval, where those of one cluster (a domain, a client) are not independent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def interval(differences: Sequence[float], clusters: Sequence[str]) -> str:
    """The mean over clusters of their mean difference, with Student's interval over clusters: "+3.1 ± 1.6".

    Without a second cluster there is no interval.
    """
    names = sorted(set(clusters))
    means = [np.mean([d for d, c in zip(differences, clusters, strict=True) if c == name]) for name in names]
    mean = float(np.mean(means))
    if len(means) < 2:
        return f"{mean:+.2f}"
    from scipy.stats import t

    half = float(t.ppf(0.975, len(means) - 1)) * float(np.std(means, ddof=1)) / math.sqrt(len(means))
    return f"{mean:+.2f} ± {half:.2f}"
