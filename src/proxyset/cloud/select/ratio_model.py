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
whether to believe the release at all, follows from σ and the counts, with no constant to tune.

A pool that names the source or the label of its items offers more: clusters mix groups in different proportions, so their
counts tell which groups the client is like. For each such column all models are tried again with one effect for each group,
Normal(0, 2²), and the evidence says whether the column means anything.
 Density ratios
from sums over groups go back to KLIEP (Sugiyama et al. 2008); estimating them from differentially private
counts in this way is ours.

Guarantee: post-processing of a release; reads no private data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.kcenter import farthest_first
from proxyset.cloud.select.parts import Block
from proxyset.cloud.select.strategy import Candidates, Coverage

AMPLITUDES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)  # a: standard deviation of f
LENGTHS = (1.0, 1.5, 2.0, 3.0, 4.0)  # ℓ in units of the typical distance between neighbouring centroids
_GROUP = 2.0  # standard deviation of a group's effect
_LEVEL = 0.5  # standard deviation of β₀: Σ counts knows N only as well as the noise lets it
_SAMPLE = 6000  # items that stand for the pool while fitting
_LANDMARKS = 256  # inducing points; more add cost, not detail that counts could show
_BELIEVED = 0.01  # posterior weight below which a length is left out
_IN_CACHE = 512  # items whose kernels with all landmarks, half a MB, are computed at once
_RECORDS = 1e7  # more are scaled down to that: they would say no more, and no count may exhaust float64

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DensityModel:
    """The log-density ratio as a function of items; picklable, so that any process can evaluate it on its part of a pool.

    Attributes:
        smooth: what the components of an item say, one for each length that is believed.
        effects: column of the pool → (codes,) what its groups say.
    """

    smooth: tuple[_Smooth, ...]
    effects: Mapping[str, Array]

    def __call__(self, block: Block) -> Array:
        """(m,) posterior mean for a block of items, up to a constant; finite."""
        ratio = np.zeros(len(block))
        for part in self.smooth:
            ratio += part(block.Z)
        for name, effect in self.effects.items():
            ratio += effect[block.codes[name]]
        return ratio


def log_density_ratio(candidates: Candidates, coverage: Coverage) -> Iterator[Array]:
    """The model's answer for all items in order, block by block: (m,) float64. Arguments are those of `density_model`."""
    model = density_model(candidates, coverage)
    for part in candidates.parts:
        yield from map(model, part.blocks())


def density_model(candidates: Candidates, coverage: Coverage) -> DensityModel:
    """Fit the log-density ratio of client to pool.

    Args:
        candidates: the pool, of which a sample is looked at.
        coverage: the counts and their noise. Counts below −5σ are taken as −5σ.

    Returns:
        The average of the models, which is constant when the counts say nothing.
    """
    fit = _Fit(candidates, coverage)
    level = np.ones((fit.sample.size, 1))
    groups = {None: np.empty((fit.sample.size, 0))} | {
        name: np.eye(codes)[fit.codes[name]] for name, codes in candidates.groups.items()
    }
    modes = []
    for length in (0.0, *LENGTHS):
        features = fit.features(length) if length else np.empty((fit.sample.size, 0))
        for grouping, indicators in groups.items():
            columns = np.concatenate([level, features, indicators], axis=1)
            for amplitude in AMPLITUDES if length else (0.0,):
                spread = np.repeat([_LEVEL, amplitude, _GROUP], [1, features.shape[1], indicators.shape[1]])
                evidence, theta = fit.mode(columns, spread)
                smooth, effects = np.split(theta[1:], [features.shape[1]])
                modes.append(_Mode(evidence, length, smooth, grouping, effects))
    evidences = np.array([mode.evidence for mode in modes])
    weights = np.exp(evidences - evidences.max())
    weights /= weights.sum()
    believed = []
    for length in LENGTHS:
        group = [(weight, mode) for weight, mode in zip(weights, modes, strict=True) if mode.length == length]
        if sum(weight for weight, _ in group) >= _BELIEVED:
            believed.append(fit.predictor(length, np.sum([w * mode.smooth for w, mode in group], axis=0)))
    group_effects = {
        name: np.sum(
            [w * mode.effects for w, mode in zip(weights, modes, strict=True) if mode.grouping == name],
            axis=0,
        )
        for name in candidates.groups
    }
    return DensityModel(tuple(believed), group_effects)


@dataclass(frozen=True)
class _Smooth:
    """A sum of kernels at landmarks, in float32.

    Attributes:
        mean: (D,) of the landmarks. unit: √2 lengths. landmarks: (D + 2, L), see `_Fit.predictor`. weights: (L,).
    """

    mean: NDArray[np.float32]
    unit: np.float32
    landmarks: NDArray[np.float32]
    weights: Array

    def __call__(self, Z: NDArray[np.float32]) -> Array:
        found = [self._of(Z[start : start + _IN_CACHE]) for start in range(0, len(Z), _IN_CACHE)]
        return np.concatenate([np.empty(0), *found])

    def _of(self, Z: NDArray[np.float32]) -> Array:
        X = (Z - self.mean) / self.unit
        squares = np.einsum("ij,ij->i", X, X)[:, None]
        kernel = np.concatenate([X, np.ones_like(squares), squares], axis=1) @ self.landmarks
        np.minimum(kernel, 0, out=kernel)  # of squares: above zero by rounding alone
        np.exp(kernel, out=kernel)
        found: Array = kernel @ self.weights
        return found


@dataclass(frozen=True)
class _Mode:
    evidence: float
    length: float
    smooth: Array
    grouping: str | None
    effects: Array


class _Fit:
    def __init__(self, candidates: Candidates, coverage: Coverage) -> None:
        sizes = candidates.sizes
        filled = np.flatnonzero(sizes)
        each = max(8, _SAMPLE // len(filled))
        few = candidates.spread(each)
        lengths = np.minimum(sizes[filled], each)[:, None]
        # (clusters, each): short clusters repeat their first items, which then stand for nothing
        places = np.cumsum(lengths)[:, None] - lengths + np.arange(each) % lengths
        self.sample = few.rows[places]
        self.codes = {name: codes[places.ravel()] for name, codes in few.codes.items()}
        # pool items that each sampled one stands for
        self._items = np.where(np.arange(each) < lengths, sizes[filled][:, None] / lengths, 0.0)
        counts = np.maximum(coverage.counts[filled], -5 * coverage.sigma)
        shrink = min(1.0, _RECORDS / max(float(counts.sum()), 1.0))
        self._counts, sigma = shrink * counts, shrink * coverage.sigma
        self._noise = sigma**2 + 0.25
        # N is known no better than the noise in the sum of the counts
        records = max(self._counts.sum(), sigma * np.sqrt(len(filled)), 1.0)
        self._level = float(np.log(records / len(candidates)))
        centroids = candidates.centroids[filled]
        if len(centroids) > _LANDMARKS:
            centroids = centroids[farthest_first(centroids, _LANDMARKS, first=0)[0]]
        self._landmarks = centroids.astype(np.float64)
        between = _squared_distances(self._landmarks, self._landmarks)
        self._between = between
        # centroids that only rounding tells apart (duplicates in the pool) are one, and give no length
        apart = np.where(between > 1e-10 * between.max(), between, np.inf).min(axis=1)
        apart = apart[np.isfinite(apart)]
        self._unit = float(np.sqrt(np.median(apart))) if len(apart) else 1.0
        self._to_sample = _squared_distances(few.Z[places.ravel()], self._landmarks)

    def features(self, length: float) -> Array:
        """(m, F): features whose inner products are the kernel with a = 1, for the sampled items."""
        return self._kernel(self._to_sample, length) @ self._root(length)

    def predictor(self, length: float, theta: Array) -> _Smooth:
        """What gives, for a block of items, their features times `theta`."""
        beta = self._root(length) @ theta
        unit = np.sqrt(2) * length * self._unit
        mean = self._landmarks.mean(axis=0)
        L = (self._landmarks - mean) / unit
        # one product gives the exponents 2x·l − ‖l‖² − ‖x‖²
        squares = np.einsum("ij,ij->i", L, L)[:, None]
        landmarks = np.concatenate([2 * L, -squares, -np.ones_like(squares)], axis=1).T.astype(np.float32)
        return _Smooth(mean.astype(np.float32), np.float32(unit), landmarks, beta)

    def mode(self, F: Array, spread: Array) -> tuple[float, Array]:
        """Evidence and mode of the model f = F · θ with the prior θ ~ Normal(0, diag(spread²))."""
        theta = np.zeros(len(spread))  # here in units of the prior
        f = np.zeros(self._items.shape)
        expected, objective = self._objective(f, theta)
        for _ in range(25):
            root, misfit = self._linearised(expected, F, spread)
            step = np.linalg.solve(root.T @ root + np.eye(len(theta)), root.T @ misfit - theta)
            f_step = (F @ (spread * step)).reshape(f.shape)
            gain = 0.0
            for share in 0.5 ** np.arange(10):
                trial_expected, trial_objective = self._objective(f + share * f_step, theta + share * step)
                if trial_objective >= objective:
                    gain = trial_objective - objective
                    f, theta = f + share * f_step, theta + share * step
                    expected, objective = trial_expected, trial_objective
                    break
            if gain < 1e-2:  # of a log-probability: far below what would move the average
                break
        root, _ = self._linearised(expected, F, spread)
        determinant = np.linalg.slogdet(np.eye(len(theta)) + root.T @ root)[1]
        return objective - 0.5 * float(determinant), spread * theta

    def _objective(self, f: Array, theta: Array) -> tuple[Array, float]:
        """What every sampled item expects, and log p(counts, θ) up to a constant; θ in units of the prior."""
        expected = self._items * np.exp(np.minimum(self._level + f, 40))
        rates = expected.sum(axis=1)
        variances = self._noise + rates
        misfit = np.square(self._counts - rates) / variances + np.log(variances)
        return expected, -0.5 * float(misfit.sum() + theta @ theta)

    def _linearised(self, expected: Array, F: Array, spread: Array) -> tuple[Array, Array]:
        """In standard deviations of the counts: (R, F) derivatives of the rates by θ, and (R,) what the rates lack."""
        rates = expected.sum(axis=1)
        deviations = np.sqrt(self._noise + rates)
        J = (expected[:, None, :] @ F.reshape(*expected.shape, -1))[:, 0]
        return J * (spread / deviations[:, None]), (self._counts - rates) / deviations

    def _kernel(self, squared: Array, length: float) -> Array:
        kernel: Array = np.exp(squared * (-0.5 / (length * self._unit) ** 2))
        return kernel

    def _root(self, length: float) -> Array:
        """(L, F) with kernel(L, L)⁻¹ = root · rootᵀ, without the directions that rounding would decide."""
        values, vectors = np.linalg.eigh(self._kernel(self._between, length))
        kept = values > 1e-6 * values[-1]
        root: Array = vectors[:, kept] / np.sqrt(values[kept])
        return root


def _squared_distances(X: NDArray[np.floating], C: Array) -> Array:
    """(n, d), (L, d) → (n, L)."""
    X = X - C.mean(axis=0)
    C = C - C.mean(axis=0)
    norms = np.einsum("ij,ij->i", X, X)[:, None] + np.einsum("ij,ij->i", C, C)
    squared: Array = np.maximum(norms - 2 * (X @ C.T), 0)
    return squared
