"""How many labels a method saves against another one for the same accuracy, where curves over budgets are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proxyset.errors import InvalidInput

_RESAMPLES = 2000  # of runs, for the interval
Where = Literal["inside", "above", "below"]


@dataclass(frozen=True)
class Saving:
    """What another method would need for the accuracy that one method reaches.

    Attributes:
        budget: labels that the method had.
        accuracy: its mean, made monotone over its budgets.
        needed: labels that the other method needs for it, interpolated; where it lies outside of the other's budgets, the
            nearest of them, so that `where` turns it into a bound.
        low, high: 95 % interval of `needed` over runs (percentile bootstrap), cut off at the other's budgets.
        where: "inside" the other's budgets; "above": it needs more than `needed`; "below": at most `needed`.
    """

    budget: int
    accuracy: float
    needed: float
    low: float
    high: float
    where: Where

    @property
    def saved(self) -> float:
        """Labels saved; negative where the method costs labels. At least that many "above", at most "below"."""
        return self.needed - self.budget

    def __str__(self) -> str:
        sign = {"inside": "", "above": "more than ", "below": "at most "}[self.where]
        return (
            f"{100 * self.accuracy:.1f} % with {self.budget:,} labels; the other needs {sign}{self.needed:,.0f} "
            f"(95 %: {self.low:,.0f} to {self.high:,.0f})"
        )


def labels_saved(budgets: Sequence[int], ours: ArrayLike, others: ArrayLike) -> list[Saving]:
    """For each budget, the labels that the other method needs for the accuracy reached there.

    Mean curves are made monotone by isotonic regression (more labels do not hurt in the mean), the other's is read
    backwards, linear between its budgets in the logarithm of labels. Nothing is extrapolated.

    Args:
        budgets: (B,) labels, increasing.
        ours: (runs, B) accuracies; a run is a seed or a client, and rows of the two methods belong together.
        others: (runs, B) accuracies. With one run the interval is empty: low = needed = high.

    Raises:
        InvalidInput: shapes do not fit, budgets do not increase, or a value is not finite.
    """
    x, a = _curve(budgets, ours)
    x, b = _curve(budgets, others)
    if len(a) != len(b):
        raise InvalidInput(
            f"{len(a)} runs of one method and {len(b)} of the other: they must be the same runs"
        )
    targets = isotonic(a.mean(axis=0))
    curve = isotonic(b.mean(axis=0))
    needed = _inverse(x, curve, targets)
    rng = np.random.default_rng(0)
    drawn = np.array(
        [
            _inverse(x, isotonic(b[rows].mean(axis=0)), isotonic(a[rows].mean(axis=0)))
            for rows in rng.integers(0, len(a), (_RESAMPLES, len(a)))
        ]
    )
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [
        Saving(
            budget=int(x[at]),
            accuracy=float(targets[at]),
            needed=float(needed[at]),
            low=float(low[at]),
            high=float(high[at]),
            where="above" if targets[at] > curve[-1] else "below" if targets[at] <= curve[0] else "inside",
        )
        for at in range(len(x))
    ]


def isotonic(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nondecreasing sequence nearest to `y` in squared error (pool adjacent violators, Ayer et al. 1955)."""
    blocks: list[tuple[float, int]] = []
    for value in y.tolist():
        mean, size = value, 1
        while blocks and blocks[-1][0] >= mean:
            before, count = blocks.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        blocks.append((mean, size))
    return np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])


def _inverse(
    x: NDArray[np.float64], curve: NDArray[np.float64], targets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The fewest labels at which a nondecreasing curve reaches each target, cut off at its ends."""
    reached = np.searchsorted(curve, targets, side="left")  # the first budget with at least the target
    after = np.clip(reached, 1, len(x) - 1) if len(x) > 1 else np.zeros_like(reached)
    before = np.maximum(after - 1, 0)
    rise = curve[after] - curve[before]
    share = np.clip((targets - curve[before]) / np.where(rise > 0, rise, 1), 0, 1)
    inside = np.exp(np.log(x[before]) + share * (np.log(x[after]) - np.log(x[before])))
    return np.where(reached == 0, x[0], np.where(reached == len(x), x[-1], inside))


def _curve(budgets: Sequence[int], accuracies: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(budgets, np.float64), np.asarray(accuracies, np.float64)
    if x.ndim != 1 or y.ndim != 2 or y.shape[1] != len(x) or not y.size:
        raise InvalidInput(f"{len(x)} budgets need accuracies of shape (runs, {len(x)}), not {y.shape}")
    if x[0] < 1 or (np.diff(x) <= 0).any():
        raise InvalidInput(f"budgets must increase from 1 on; they are {list(budgets)}")
    if not np.isfinite(y).all():
        raise InvalidInput(f"{int((~np.isfinite(y)).sum())} of {y.size} accuracies are not finite")
    return x, y
