"""Speed as ratios against named alternatives, interleaved in one run: python -m proxyset.bench.speed."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.kcenter import farthest_first
from proxyset.nearest import nearest_centroid

_ROUNDS = 5


def main() -> None:
    """Print one line a comparison: how many times faster ours is, as the median of interleaved rounds."""
    rng = np.random.default_rng(0)
    for n, d, R in ((100_000, 64, 100), (100_000, 64, 1000), (50_000, 512, 1000)):
        X, C = _normal(rng, n, d), _normal(rng, R, d)
        _compare(
            f"assign {n:,} x {d} to {R:,}",
            "scikit-learn pairwise arg-min",
            _bind(nearest_centroid, X, C),
            _bind(_pairwise, X, C),
        )
    X = _normal(rng, 100_000, 64)
    _compare(
        "k-center 500 of 100,000 x 64",
        "NumPy, every point meets every centre",
        lambda: farthest_first(X, 500, first=0),
        lambda: _naive(X, 500),
    )


def _compare(what: str, alternative: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    ours(), theirs()  # first calls load libraries and touch memory
    ratios = [_seconds(theirs) / _seconds(ours) for _ in range(_ROUNDS)]
    sys.stdout.write(
        f"{what:32s} {statistics.median(ratios):6.1f}x  ({min(ratios):.1f} to {max(ratios):.1f})  against {alternative}\n"
    )


def _seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def _normal(rng: np.random.Generator, n: int, d: int) -> NDArray[np.float32]:
    return rng.standard_normal((n, d), dtype=np.float32)


def _bind(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)


def _pairwise(X: NDArray[np.float32], C: NDArray[np.float32]) -> object:
    from sklearn.metrics import pairwise_distances_argmin

    return pairwise_distances_argmin(X, C)


def _naive(X: NDArray[np.float32], count: int) -> object:
    norms = np.einsum("ij,ij->i", X, X)
    bounds, row, picks = np.full(len(X), np.inf, np.float32), 0, []
    for _ in range(count):
        picks.append(row)
        np.minimum(bounds, norms - 2 * (X @ X[row]) + norms[row], out=bounds)
        row = int(bounds.argmax())
    return picks


if __name__ == "__main__":
    main()
