"""What a proxy set gains over a random one, where the pool names labels.

The cloud has no item of the clients, so it judges on public ones: a classifier (logistic regression on the index's features) is
trained on the proxy set, and on as many random items, and both are tested on labeled items that neither has. Every tested item
counts as much as the releases say that items like it are with the clients: its cluster's released count, noise and all, divided
by the cluster's tested items. That is post-processing of the releases and costs nothing.

It is an estimate and a friendly one: the counts that chose the set are those that judge it. Accuracy on the clients' own data
is known to nobody here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.select.strategy import Coverage
from proxyset.errors import InvalidInput, MissingExtra

_MOST_TESTED = 20_000
_MOST_TRAINED = 20_000
RANDOM_SETS = 5


@dataclass(frozen=True)
class Gain:
    """Weighted accuracies, 0 to 1.

    Attributes:
        proxy: of the classifier trained on the proxy set.
        random: of those trained on random items, one a draw.
        labels: how many different labels there are.
        trained, tested: how many items.
    """

    proxy: float
    random: list[float]
    labels: int
    trained: int
    tested: int

    @property
    def mean(self) -> float:
        return float(np.mean(self.random))

    @property
    def points(self) -> float:
        """Percentage points above the mean of the random sets."""
        return 100 * (self.proxy - self.mean)

    @property
    def spread(self) -> float:
        """Standard deviation of the random sets, in percentage points."""
        return 100 * float(np.std(self.random, ddof=1))


def estimate(index: Index, proxy: ProxySet, coverage: Coverage) -> Gain:
    """Estimate the gain of a proxy set over random ones of its size.

    Raises:
        InvalidInput: the pool has no labels, or too few items are left to test on.
        MissingExtra: scikit-learn is not installed.
    """
    labels = np.array(index.rows(np.arange(len(index)), ["label"]).column("label").to_pylist(), object)
    known = np.array([label is not None for label in labels])
    chosen = _rows_of(index, proxy.selection().column("id").to_pylist())[:_MOST_TRAINED]
    chosen = chosen[known[chosen]]
    if len(set(labels[chosen])) < 2:
        raise InvalidInput(
            "a gain needs labels: the pool names fewer than two for the items of this proxy set"
        )
    candidates = index.candidates()
    rng = np.random.default_rng([0, 7])
    rest = rng.permutation(np.setdiff1d(np.flatnonzero(known), chosen))
    tested, others = rest[: min(_MOST_TESTED, len(rest) // 2)], rest[min(_MOST_TESTED, len(rest) // 2) :]
    weight = _weights(candidates.clusters[tested], coverage.counts)
    if not weight.any() or len(others) < 2:
        raise InvalidInput(
            "too few labeled items are left outside the proxy set to test on: choose a smaller one"
        )

    def score(rows: NDArray[np.intp]) -> float:
        return _accuracy(candidates.Z, labels, rows, tested, weight)

    open_to_chance = np.concatenate([chosen, others])
    draws = [rng.choice(open_to_chance, len(chosen), replace=False) for _ in range(RANDOM_SETS)]
    return Gain(
        score(chosen), [score(rows) for rows in draws], len(set(labels[known])), len(chosen), len(tested)
    )


def _rows_of(index: Index, ids: list[str]) -> NDArray[np.intp]:
    """Row numbers of ids, in their order."""
    names = index.rows(np.arange(len(index)), ["id"]).column("id").to_pylist()
    where = {name: row for row, name in enumerate(names)}
    return np.array([where[name] for name in ids], np.intp)


def _weights(clusters: NDArray[np.int32], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each tested item counts: its cluster's released count, shared among the tested items of the cluster."""
    present = np.bincount(clusters, minlength=len(counts))
    each: NDArray[np.float64] = np.maximum(counts, 0) / np.maximum(present, 1)
    return each[clusters]


def _accuracy(
    Z: NDArray[np.float32],
    labels: NDArray[np.object_],
    rows: NDArray[np.intp],
    tested: NDArray[np.intp],
    weight: NDArray[np.float64],
) -> float:
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError:
        raise MissingExtra("scikit-learn", "demo", "Estimates of accuracy") from None
    known = labels[rows]
    if len(set(known)) < 2:
        return float(np.average(labels[tested] == known[0], weights=weight))
    model = LogisticRegression(max_iter=300)
    model.fit(Z[rows], known.astype(str))
    return float(np.average(model.predict(Z[tested]) == labels[tested].astype(str), weights=weight))
