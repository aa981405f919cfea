"""Ranked votes, an experiment: a record gives weights to its eight nearest centroids instead of one vote to the nearest.

With integer weights a of Σ a² = 32² a release has the ℓ2 sensitivity 32, so that in units of 32 the noise is that of one vote. The
model of the counts (`ratio_model`) then takes the pool's own weights: λ_j = (N̂ / n) Σ_i a_ij exp f(z_i), with the variance
σ² + ¼ + Σ_i a_ij² w_i of item i's share w_i. One vote is the weight vector (1). Nothing of this is in the product.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.select import DEFAULT_STRATEGY, Candidates, Coverage, ratio_model
from proxyset.cloud.select.rows import rows_of
from proxyset.demo.statistics import paired_gain
from proxyset_lab import kept
from proxyset_lab.cell import Group
from proxyset_lab.data.registry import find
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.experiment import Experiment
from proxyset_lab.features import Features
from proxyset_lab.kept import keep
from proxyset_lab.tables import Entry, Table, markdown
from proxyset_lab.task import Task

WEIGHTS = np.array([23, 16, 11, 8, 5, 4, 3, 2]) / 32  # of the nearest, the next …; their squares add up to 1
CLUSTERS = 100
Array = NDArray[np.float64]


def nearest(Z: NDArray[np.floating], centroids: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """(n, count) the centroids nearest to each row, the nearest first."""
    squared = ratio_model._squared_distances(Z, centroids.astype(np.float64))
    return np.argsort(squared, axis=1, kind="stable")[:, :count]


def shares(Z: NDArray[np.floating], centroids: NDArray[np.floating], weights: Array) -> Array:
    """(R,) what the rows give to each centroid, all together."""
    given = np.zeros(len(centroids))
    ranks = nearest(Z, centroids, len(weights))
    for rank, weight in enumerate(weights[: ranks.shape[1]]):
        given += weight * np.bincount(ranks[:, rank], minlength=len(centroids))
    return given


class RankedFit(ratio_model._Fit):
    """The model with the pool's own weights. `weights` of (1,) is the product's model."""

    def __init__(self, candidates: Candidates, coverage: Coverage, weights: Array) -> None:
        from scipy.sparse import csr_matrix

        super().__init__(candidates, coverage)
        self._level -= float(np.log(weights.sum()))
        rows, filled = self.sample.ravel(), np.flatnonzero(candidates.sizes)
        ranks = nearest(rows_of(candidates.Z, rows), candidates.centroids[filled], len(weights))
        given = np.broadcast_to(weights[: ranks.shape[1]], ranks.shape)
        items = np.broadcast_to(np.arange(len(rows))[:, None], ranks.shape)
        place = (ranks.ravel(), items.ravel())
        self._a = csr_matrix((given.ravel(), place), (len(filled), len(rows)))
        self._a2 = csr_matrix((given.ravel() ** 2, place), (len(filled), len(rows)))

    def _objective(self, f: Array, theta: Array) -> tuple[Array, float]:
        expected = self._items * np.exp(np.minimum(self._level + f, 40))
        rates, variances = self._a @ expected.ravel(), self._noise + self._a2 @ expected.ravel()
        misfit = np.square(self._counts - rates) / variances + np.log(variances)
        return expected, -0.5 * float(misfit.sum() + theta @ theta)

    def _linearised(self, expected: Array, F: Array, spread: Array) -> tuple[Array, Array]:
        w = expected.ravel()
        rates, deviations = self._a @ w, np.sqrt(self._noise + self._a2 @ w)
        return (self._a @ (w[:, None] * F)) * (spread / deviations[:, None]), (
            self._counts - rates
        ) / deviations


class Pair(NamedTuple):
    """One client and one draw of noise: (score, share of own items) with one vote and with ranked ones."""

    data_set: str
    domain: str
    records: int | None
    epsilon: float
    budget: int
    one: tuple[float, float]
    ranked: tuple[float, float]


def run(experiment: Experiment, epsilon: float, sizes: tuple[int | None, ...], draws: int, out: Path) -> None:
    """Every group of an experiment that `out` does not hold yet."""
    keep(out, experiment.groups(), lambda group: pairs(experiment, group, epsilon, sizes, draws))


def read(out: Path) -> list[Pair]:
    """What was measured so far."""
    return [Pair(*row) for _, rows in kept.read(out) for row in rows]


def pairs(
    experiment: Experiment, group: Group, epsilon: float, sizes: tuple[int | None, ...], draws: int
) -> Iterator[Pair]:
    """Of one data set, domain and seed, at the smallest budget."""
    data, features = experiment.of(group.data_set), Features.of(find(group.data_set))
    with tempfile.TemporaryDirectory() as work, threadpool_limits(1):
        for records in sizes:
            few = data.model_copy(update={"records": records})
            task = Task(group, few, features, Path(work), Path(work), experiment.delta)
            probe = task.probe(CLUSTERS, None, "float16")
            Z = probe.project(task.X[task.split.client])
            given = [shares(Z, probe.centroids, weights) for weights in (np.ones(1), WEIGHTS)]
            sigma = privacy_statement(epsilon, experiment.delta).sigma
            for draw in range(draws):
                noise = sigma * task.rng(13, draw).standard_normal(CLUSTERS)
                found = []
                for counts, weights in zip(given, (np.ones(1), WEIGHTS), strict=True):
                    with mock.patch.object(ratio_model, "_Fit", partial(RankedFit, weights=weights)):
                        coverage = Coverage(counts + noise, sigma)
                        rows = task.picks(DEFAULT_STRATEGY, CLUSTERS, coverage, data.budgets[0])
                    own = float(np.mean(task.features.domains[rows] == group.private))
                    found.append((task.score(rows), own))
                yield Pair(group.data_set, group.private, records, epsilon, data.budgets[0], *found)


def page(found: list[Pair], origin: str) -> str:
    """What was measured, as Markdown."""
    about = (
        "Weights for the eight nearest centroids in the place of one vote, at the same sensitivity, ε and standard noise, and the "
        "smallest budget of each data set. An experiment: nothing of it is in the product. “Own kind”: of the picked items."
    )
    shown = [markdown(table) for table in tables(found)]
    return (
        "\n\n".join(["# Ranked votes", f"{origin} Written by `proxyset-lab ranked`.", about, *shown]) + "\n"
    )


def tables(found: list[Pair]) -> list[Table]:
    """A row for each ε, number of records and data set; domains that the rule was designed on in a table of their own."""
    out = []
    for designed in (False, True):
        here = [pair for pair in found if designed_on(pair.data_set, pair.domain) == designed]
        names = list(dict.fromkeys(pair.data_set for pair in here))
        rows: list[tuple[Entry, ...]] = []
        for wanted in dict.fromkeys((pair.epsilon, pair.records) for pair in here):
            for name in [*names, "all"] if len(names) > 1 else names:
                of = [p for p in here if (p.epsilon, p.records) == wanted and name in ("all", p.data_set)]
                sites = [f"{pair.data_set} {pair.domain}" for pair in of]
                one, ranked = ([pair.one for pair in of], [pair.ranked for pair in of])
                gain, kind = (
                    paired_gain([b[at] - a[at] for a, b in zip(one, ranked, strict=True)], sites)
                    for at in (0, 1)
                )
                means = (f"{100 * float(np.mean([s[0] for s in scores])):.1f}" for scores in (one, ranked))
                rows.append((f"{wanted[0]:g}", str(wanted[1] or "all"), name, gain, kind, *means))
        columns = ("ε", "records", "data set", "gain", "own kind", "one vote", "ranked votes")
        if rows:
            out.append(Table(titled("Ranked votes over one vote", designed), columns, tuple(rows)))
    return out
