"""The total: what two aggregators open together, in the place of many clients' releases."""

from __future__ import annotations

import math
from dataclasses import dataclass

from proxyset.wire.release import Release


@dataclass(frozen=True)
class Total(Release):
    """R noisy sums. `privacy` says what one aggregator's noise gives, which is what holds whoever of the two is honest; the counts
    carry the noise of both."""

    @property
    def noise(self) -> float:
        return math.sqrt(2) * self.privacy.noise
