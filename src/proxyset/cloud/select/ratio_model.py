"""How much likelier an item is at the client than in the pool, from noisy counts per cluster.

The log-density ratio f is a Gaussian process over the space of selection, and every cluster's expected count
is the sum of what its *items* expect, so that one release tells items of the same cluster apart:

    λ_j = (N̂ / n) · Σ_{i in cluster j} exp f(z_i)        counts_j ~ Normal(λ_j, σ² + λ_j + 1/4)
    f(z) = β₀ + Σ_l β_l·k(z, c_l)                        k(z, z') = a²·exp(−‖z − z'‖² / 2ℓ²)

σ² is the noise the client added, λ_j the spread of a count of independent records, N̂ the sum of the counts,
or its standard deviation σ√R where that is more. The centroids serve as inducing points (subset of
regressors, Quiñonero-Candela and Rasmussen 2005). For each (a, ℓ) of a grid the mode is found by
Gauss–Newton, and Laplace's approximation gives the evidence p(counts | a, ℓ); the answer is the average of
the modes weighted by evidence. a = 0, "the release says nothing", is one of them: how strongly to smooth, and
whether to believe the release at all, follows from σ and the counts, with no constant to tune. Density ratios
from sums over groups go back to KLIEP (Sugiyama et al. 2008); estimating them from differentially private
counts in this way is ours.

Guarantee: post-processing of a release; reads no private data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.kcenter import farthest_first
from proxyset.cloud.select.strategy import Candidates, Coverage

AMPLITUDES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)  # a: standard deviation of f
LENGTHS = (1.0, 1.5, 2.0, 3.0, 4.0)  # ℓ in units of the typical distance between neighbouring centroids
_LEVEL = 0.5  # standard deviation of β₀: Σ counts knows N only as well as the noise lets it
_SAMPLE = 6000  # items that stand for the pool while fitting
_LANDMARKS = 256  # inducing points; more add cost, not detail that counts could show
_BELIEVED = 0.01  # posterior weight below which a length is left out
_RECORDS = 1e7  # more are scaled down to that: they would say no more, and no count may exhaust float64
_BLOCK = 1 << 14

Array = NDArray[np.float64]


def log_density_ratio(candidates: Candidates, coverage: Coverage) -> Array:
    """Posterior mean of the log-density ratio of every item, up to a constant.

    Args:
        candidates: the pool.
        coverage: the counts and their noise. Counts below −5σ are taken as −5σ.

    Returns:
        (n,) float64, finite; constant when the counts say nothing.
    """
    fit = _Fit(candidates, coverage)
    modes = [_Mode(*fit.mode(np.empty((len(fit.sample), 0))), length=0.0)]
    for length in LENGTHS:
        features = fit.features(length)
        modes += [_Mode(*fit.mode(amplitude * features), length, amplitude) for amplitude in AMPLITUDES]
    evidence = np.array([mode.evidence for mode in modes])
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    ratio = np.zeros(len(candidates))
    for length in LENGTHS:
        group = [(weight, mode) for weight, mode in zip(weights, modes, strict=True) if mode.length == length]
        if sum(weight for weight, _ in group) >= _BELIEVED:
            mean = np.sum([weight * mode.amplitude * mode.theta[1:] for weight, mode in group], axis=0)
            ratio += fit.predict(length, mean)
    return ratio


@dataclass(frozen=True)
class _Mode:
    evidence: float
    theta: Array
    length: float
    amplitude: float = 0.0


class _Fit:
    def __init__(self, candidates: Candidates, coverage: Coverage) -> None:
        sizes = candidates.sizes
        filled = np.flatnonzero(sizes)
        each = max(8, _SAMPLE // len(filled))
        members = [_spread(candidates.members(int(j)), each) for j in filled]
        lengths = np.array([len(rows) for rows in members])
        self.sample = np.concatenate(members)
        self._starts = np.cumsum(lengths) - lengths
        self._items = np.repeat(
            sizes[filled] / lengths, lengths
        )  # pool items that each sampled one stands for
        counts = np.maximum(coverage.counts[filled], -5 * coverage.sigma)
        shrink = min(1.0, _RECORDS / max(float(counts.sum()), 1.0))
        self._counts, sigma = shrink * counts, shrink * coverage.sigma
        self._noise = sigma**2 + 0.25
        # N is known no better than the noise in the sum of the counts
        records = max(self._counts.sum(), sigma * np.sqrt(len(filled)), 1.0)
        self._level = float(np.log(records / len(candidates)))
        self._Z = candidates.Z
        centroids = candidates.centroids[filled]
        if len(centroids) > _LANDMARKS:
            centroids = centroids[farthest_first(centroids, _LANDMARKS, first=0)[0]]
        self._landmarks = centroids.astype(np.float64)
        between = _squared_distances(self._landmarks, self._landmarks)
        self._between = between
        neighbours = np.sqrt((between + np.diag(np.full(len(between), np.inf))).min(axis=1))
        self._unit = (float(np.median(neighbours)) if len(between) > 1 else 0.0) or 1.0
        self._to_sample = _squared_distances(self._Z[self.sample], self._landmarks)

    def features(self, length: float) -> Array:
        """(m, F): features whose inner products are the kernel with a = 1, for the sampled items."""
        return self._kernel(self._to_sample, length) @ self._root(length)

    def predict(self, length: float, theta: Array) -> Array:
        """(n,): features of all items times `theta`, in blocks."""
        beta = self._root(length) @ theta
        result = np.empty(len(self._Z))
        for start in range(0, len(result), _BLOCK):
            block = _squared_distances(self._Z[start : start + _BLOCK], self._landmarks)
            result[start : start + _BLOCK] = self._kernel(block, length) @ beta
        return result

    def mode(self, features: Array) -> tuple[float, Array]:
        """Evidence and mode of the model whose f is features · θ, θ ~ Normal(0, I), and a level."""
        F = np.column_stack([np.full(len(features), _LEVEL), features])
        theta = np.zeros(F.shape[1])
        expected, objective = self._objective(F, theta)
        for _ in range(25):
            rates, variances, J = self._linearised(expected, F)
            scaled = J / variances[:, None]
            hessian = J.T @ scaled + np.eye(len(theta))
            step = np.linalg.solve(hessian, scaled.T @ (self._counts - rates) - theta)
            gain = 0.0
            for halving in range(10):
                trial = theta + step / 2**halving
                trial_expected, trial_objective = self._objective(F, trial)
                if trial_objective >= objective:
                    gain = trial_objective - objective
                    theta, expected, objective = trial, trial_expected, trial_objective
                    break
            if gain < 1e-2:  # of a log-probability: far below what would move the average
                break
        _, variances, J = self._linearised(expected, F)
        determinant = np.linalg.slogdet(np.eye(len(theta)) + J.T @ (J / variances[:, None]))[1]
        return objective - 0.5 * float(determinant), theta

    def _objective(self, F: Array, theta: Array) -> tuple[Array, float]:
        """What every sampled item expects, and log p(counts, θ) up to a constant."""
        expected = self._items * np.exp(np.minimum(self._level + F @ theta, 40))
        rates = np.add.reduceat(expected, self._starts)
        variances = self._noise + rates
        misfit = np.square(self._counts - rates) / variances + np.log(variances)
        return expected, -0.5 * float(misfit.sum() + theta @ theta)

    def _linearised(self, expected: Array, F: Array) -> tuple[Array, Array, Array]:
        """(R,) rates, (R,) variances and (R, F) derivatives of the rates."""
        rates = np.add.reduceat(expected, self._starts)
        return rates, self._noise + rates, np.add.reduceat(expected[:, None] * F, self._starts, axis=0)

    def _kernel(self, squared: Array, length: float) -> Array:
        kernel: Array = np.exp(squared * (-0.5 / (length * self._unit) ** 2))
        return kernel

    def _root(self, length: float) -> Array:
        """(L, F) with kernel(L, L)⁻¹ = root · rootᵀ, without the directions that rounding would decide."""
        values, vectors = np.linalg.eigh(self._kernel(self._between, length))
        kept = values > 1e-6 * values[-1]
        root: Array = vectors[:, kept] / np.sqrt(values[kept])
        return root


def _spread(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """At most `count` of the rows, evenly over their order."""
    return rows if len(rows) <= count else rows[np.arange(count) * len(rows) // count]


def _squared_distances(X: NDArray[np.floating], C: Array) -> Array:
    """(n, d), (L, d) → (n, L)."""
    X = X - C.mean(axis=0)
    C = C - C.mean(axis=0)
    norms = np.einsum("ij,ij->i", X, X)[:, None] + np.einsum("ij,ij->i", C, C)
    squared: Array = np.maximum(norms - 2 * (X @ C.T), 0)
    return squared
