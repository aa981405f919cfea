"""Selection rules where they may be tuned: clients made of UCI tables that no reported figure is of.

A table's rows lie in four domains (`fitting`). A third of one domain is a client's, a third tests, and of the last third so many
lie in the pool that it holds the share of the client's kind that is asked for; the rest of the pool is the other domains'. A client
has the classes of its domain or a Dirichlet's, and few records or all. Every rule meets the same pool, records and noise.

`CANDIDATES` are what was tried in the place of today's rule. All but the hybrids and the classifier read one release of counts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.kmeans import kmeans
from proxyset.cloud.pca import fit_projection
from proxyset.cloud.select import DEFAULT_STRATEGY, STRATEGIES, Candidates, Coverage, Strategy, ratio_model
from proxyset.cloud.select.rows import rows_of
from proxyset.demo.statistics import Gain, paired_gain
from proxyset.nearest import NearestCentroid
from proxyset_lab import fitting, kept
from proxyset_lab.alternatives import dp_classifier
from proxyset_lab.cell import Group
from proxyset_lab.kept import keep
from proxyset_lab.tables import Entry, Table, markdown

TABLES = (
    "letter", "texture", "satimage", "segment", "splice", "magic", "spambase", "phoneme", "twonorm", "chess",
)  # fmt: skip
SHIFTS = ("cut", "cluster", "gain")
POOLS = ("0%", "3%", "10%")
BUDGETS = (100, 300)
CLUSTERS, DELTA = 100, 1e-5
TODAY, CLASSIFIER, GUARD = "today's rule", "classifier", "guard"
ALONE = ("random", "k-center")
CANDIDATES = {
    "exponent 3/4": "items are drawn and weighed by w^¾ in the place of w^½",
    "exponent 1": "by w",
    "mean of ratios": "the average of the models' exp f in the place of their f",
    "more scales": "two lengths more, 0.5 and 6",
    "half flat": "half of the prior for the model that says nothing, in the place of 1 in 31",
    GUARD: "k-center where that model is then believed more than all others, today's rule elsewhere",
    "hybrid 0.25": "a quarter of ρ for the noisy sum of the records' unit vectors; the model is fitted to both",
    "hybrid 0.5": "half of ρ for it",
    CLASSIFIER: "the DP classifier of the alternatives (public against private) at the same ε, no counts",
}
MORE_LENGTHS = (0.5, 6.0)
HYBRIDS = (0.25, 0.5)  # shares of ρ
STRENGTH = 20.0  # Λ of the classifier
_SAMPLE = 2000  # items that stand for a pool of some thousands while fitting; the product takes 6,000

Array = NDArray[np.float64]
Rows = NDArray[np.intp]


class Client(NamedTuple):
    """Records (None: all), concentration of the Dirichlet (None: the domain's own classes), ε."""

    records: int | None
    alpha: float | None
    epsilon: float


CLIENTS = tuple(
    Client(records, alpha, epsilon)
    for epsilon, sizes in ((0.58, (60, 200, None)), (0.1, (None,)))
    for records in sizes
    for alpha in (None, 0.3)
)


class Run(NamedTuple):
    """One client and budget: rule → accuracy on the client's own mixture of classes."""

    table: str
    client: Client
    budget: int
    scores: Mapping[str, float]


class Told(ratio_model._Fit):
    """The model of the counts, told D sums more: of the records' unit vectors u(z) = z / ‖z‖, with a noise of their own.

    What is expected of them is (N̂ / n) Σ_i u(z_i) exp f(z_i): that of a count, with u in the place of its cluster's indicator.
    """

    def __init__(self, candidates: Candidates, coverage: Coverage, sums: Array, sigma: float) -> None:
        with mock.patch.object(ratio_model, "_SAMPLE", _SAMPLE):
            super().__init__(candidates, coverage)
        U = unit(rows_of(candidates.Z, self.sample.ravel()))
        self._U, self._sums, self._blur = U[:, : len(sums)], sums, sigma**2

    def _objective(self, f: Array, theta: Array) -> tuple[Array, float]:
        expected, found = super()._objective(f, theta)
        missing, variances = self._missing(expected)
        return expected, found - 0.5 * float((np.square(missing) / variances + np.log(variances)).sum())

    def _linearised(self, expected: Array, F: Array, spread: Array) -> tuple[Array, Array]:
        J, misfit = super()._linearised(expected, F, spread)
        if not len(self._sums):
            return J, misfit
        missing, variances = self._missing(expected)
        more = (self._U * expected.reshape(-1, 1)).T @ F * (spread / np.sqrt(variances)[:, None])
        return np.concatenate([J, more]), np.concatenate([misfit, missing / np.sqrt(variances)])

    def _missing(self, expected: Array) -> tuple[Array, Array]:
        w = expected.ravel()
        return self._sums - w @ self._U, self._blur + w @ np.square(self._U)


class Modes(NamedTuple):
    """What each model says of the pool, the flat one first: (M,) log evidences, (M, n) log ratios."""

    evidences: Array
    f: Array

    def mean(self) -> Array:
        """(n,) posterior mean."""
        return posterior(self.evidences) @ self.f


def posterior(evidences: Array) -> Array:
    """Weights that add up to 1."""
    weights = np.exp(evidences - evidences.max())
    return np.asarray(weights / weights.sum())


def unit(Z: NDArray[np.floating]) -> Array:
    """Rows at length 1, or 0.

    Sensitivity:
        A record moves their sum by 1 in ℓ2, and one count by 1. With noise σ/√s on each component and σ/√(1−s) on each count, both
        together cost ρ = s/2σ² + (1−s)/2σ² = 1/2σ²: what counts alone cost with σ.
    Unit:
        One record, add/remove.
    Guarantee:
        That of Gaussian noise.
    Assumes:
        Real numbers, not floats: good for a study, not for private data.
    """
    Z = Z.astype(np.float64)
    return np.asarray(Z / np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-12))


def modes(candidates: Candidates, fit: Told, lengths: Sequence[float] = ratio_model.LENGTHS) -> Modes:
    """The models that `ratio_model.density_model` averages, one by one."""
    level = np.ones((fit.sample.size, 1))
    evidences = [fit.mode(level, np.array([ratio_model._LEVEL]))[0]]
    found: list[Array] = [np.zeros(len(candidates))]
    squared = ratio_model._squared_distances(candidates.Z, fit._landmarks)
    for length in lengths:
        columns = np.concatenate([level, fit.features(length)], axis=1)
        pool = fit._kernel(squared, length) @ fit._root(length)
        for amplitude in ratio_model.AMPLITUDES:
            spread = np.repeat([ratio_model._LEVEL, amplitude], [1, columns.shape[1] - 1])
            evidence, theta = fit.mode(columns, spread)
            evidences.append(evidence)
            found.append(pool @ theta[1:])
    return Modes(np.array(evidences), np.array(found))


@dataclass(frozen=True)
class Answer:
    """What one client has, and the noise that every rule meets.

    Attributes:
        Z: (N, D) components of its records.
        counts: (R,) its votes, without noise.
        sigma: of a release of counts alone.
        of_counts, of_sums: (R,), (D,) standard noise.
    """

    Z: NDArray[np.float32]
    counts: Array
    sigma: float
    of_counts: Array
    of_sums: Array

    def coverage(self, share: float = 1.0) -> Coverage:
        """The counts that a share of ρ buys."""
        sigma = self.sigma / np.sqrt(share)
        return Coverage(self.counts + sigma * self.of_counts, sigma)


def log_ratios(candidates: Candidates, answer: Answer) -> tuple[dict[str, Array], float]:
    """Rule → (n,) what takes the place of today's log ratio; and how much the flat model is believed, given half of the prior."""
    nothing = np.empty(0)
    fit = Told(candidates, answer.coverage(), nothing, 1.0)
    every = modes(candidates, fit, (*ratio_model.LENGTHS, *MORE_LENGTHS))
    few = 1 + len(ratio_model.LENGTHS) * len(ratio_model.AMPLITUDES)
    today = Modes(every.evidences[:few], every.f[:few])
    halved = Modes(today.evidences + np.log(few - 1) * (np.arange(few) == 0), today.f)
    mean, top = today.mean(), today.f.max()
    found = {
        TODAY: mean,
        "exponent 3/4": 1.5 * mean,  # the rule halves it
        "exponent 1": 2 * mean,
        "mean of ratios": np.log(posterior(today.evidences) @ np.exp(today.f - top)),
        "more scales": every.mean(),
        "half flat": halved.mean(),
    }
    sums = unit(answer.Z).sum(axis=0)
    for share in HYBRIDS:
        sigma = answer.sigma / np.sqrt(share)
        told = Told(candidates, answer.coverage(1 - share), sums + sigma * answer.of_sums, sigma)
        found[f"hybrid {share:g}"] = modes(candidates, told).mean()
    public = unit(candidates.Z[: dp_classifier.PUBLIC])  # the pool is in random order
    w, gradient = dp_classifier._minimise(unit(answer.Z), public, STRENGTH)
    blur = answer.sigma * (1 + 2 * gradient) / STRENGTH
    found[CLASSIFIER] = unit(candidates.Z) @ (w + blur * answer.of_sums)
    return found, float(posterior(halved.evidences)[0])


class Site:
    """A table split: what the rules see of it, and how what they pick is judged."""

    def __init__(self, X: Array, y: NDArray[np.intp], group: Group) -> None:
        where = (
            TABLES.index(group.data_set) if group.data_set in TABLES else 99,
            SHIFTS.index(group.private),
        )
        rng = np.random.default_rng([group.seed, *where])
        self._X, d = fitting.domains(X, group.private, rng)
        own, others = (rng.permutation(np.flatnonzero(of)) for of in (d == 0, d != 0))
        third, share = len(own) // 3, float(group.pool[:-1]) / 100
        near = min(third, round(share / (1 - share) * len(others)))
        self._pool = rng.permutation(np.concatenate([own[:near], others]))
        self._own, self._test = own[third : 2 * third], own[2 * third :]
        self._y, self._K = y, int(y.max()) + 1
        self._balanced, self._seed = bool(rng.integers(2)), group.seed
        features = self._X.astype(np.float32)
        self._Z = fit_projection(features[self._pool], min(64, features.shape[1]))(features)
        C = kmeans(self._Z[self._pool], CLUSTERS, np.random.default_rng([group.seed, 15]))
        self._nearest = NearestCentroid(C)
        self.candidates = Candidates(self._Z[self._pool], self._nearest(self._Z[self._pool]), C)

    def client(self, number: int) -> tuple[Array, Answer] | None:
        """(K,) class shares and the records of a client of `CLIENTS`; None where its classes are not among the test items."""
        rng, client = np.random.default_rng([self._seed, 16, number]), CLIENTS[number]
        own, K = self._y[self._own], self._K
        there = np.isin(np.arange(K), own) & np.isin(np.arange(K), self._y[self._test])
        pi = np.bincount(own, minlength=K).astype(np.float64)
        if client.alpha:
            pi = rng.dirichlet(np.full(K, client.alpha))
        pi *= there
        if pi.sum() < 1e-9:
            return None
        pi /= pi.sum()
        drawn = rng.multinomial(min(client.records or len(own), len(own)), pi)
        rows = [rng.permutation(self._own[own == k])[:count] for k, count in enumerate(drawn) if count]
        Z = self._Z[np.concatenate(rows)]
        counts = np.bincount(self._nearest(Z), minlength=CLUSTERS).astype(np.float64)
        sigma = privacy_statement(client.epsilon, DELTA).sigma
        return pi, Answer(Z, counts, sigma, rng.standard_normal(CLUSTERS), rng.standard_normal(Z.shape[1]))

    def right(self, strategy: Strategy, coverage: Coverage | None, budget: int) -> Array:
        """(K,) accuracy in each class after training on what a strategy picks."""
        from sklearn.linear_model import LogisticRegression

        picks = strategy.rank(self.candidates, coverage, budget, np.random.default_rng([self._seed, 1])).rows
        at, test = self._pool[picks], self._y[self._test]
        if len(classes := np.unique(self._y[at])) < 2:
            said = np.repeat(classes, len(test))
        else:
            weight = "balanced" if self._balanced else None
            model = LogisticRegression(C=1.0, tol=1e-3, max_iter=200, class_weight=weight)
            said = model.fit(self._X[at], self._y[at]).predict(self._X[self._test])
        every = np.maximum(np.bincount(test, minlength=self._K), 1)
        return np.asarray(np.bincount(test[said == test], minlength=self._K) / every)


def measure(X: Array, y: NDArray[np.intp], group: Group) -> Iterator[tuple[Client, int, dict[str, float]]]:
    """Every client and budget of one table, split by the group's shift (`private`), seed and pool."""
    site = Site(X, y, group)
    alone = {(n, budget): site.right(STRATEGIES.load(n), None, budget) for n in ALONE for budget in BUDGETS}
    for number, client in enumerate(CLIENTS):
        if (found := site.client(number)) is None:
            continue
        pi, answer = found
        ratios, flat = log_ratios(site.candidates, answer)
        coverage = answer.coverage()
        for budget in BUDGETS:
            scores = {name: float(pi @ alone[name, budget]) for name in ALONE}
            scores["ecos"] = float(pi @ site.right(STRATEGIES.load("ecos"), coverage, budget))
            for name, logs in ratios.items():
                rule = dp_classifier._Scored(scores=logs)
                scores[name] = float(pi @ site.right(rule, coverage, budget))
            scores[GUARD] = scores["k-center" if flat > 0.5 else TODAY]
            yield client, budget, scores


def groups(seeds: Iterable[int]) -> Iterator[Group]:
    """Every table once a seed: shifts and shares take turns."""
    for seed in seeds:
        for number, table in enumerate(TABLES):
            yield Group(table, SHIFTS[(seed + number) % 3], seed, POOLS[(seed + 2 * number) % 3])


def run(seeds: Iterable[int], out: Path) -> None:
    """Every group that `out` does not hold yet."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a logistic regression that stops early is the same for all
        keep(out, groups(seeds), lambda group: measure(*fitting.table(group.data_set), group))


def read(out: Path) -> list[Run]:
    """What was measured so far."""
    return [
        Run(group.data_set, Client(*client), budget, scores)
        for group, rows in kept.read(out)
        for client, budget, scores in rows
    ]


def page(found: Sequence[Run], origin: str) -> str:
    """What was measured, as Markdown."""
    if not found:
        return (
            f"# Rules that were tried\n\n{origin} Written by `proxyset-lab rules`: nothing is measured yet.\n"
        )
    count = len({run.table for run in found})
    about = (
        f"Rules in the place of `{DEFAULT_STRATEGY}`, on clients made of {count} tables of UCI that no reported figure is of: "
        "here a rule may be chosen. A table is split into four domains, one of them the client's; 0, 3 or 10 % of the pool is of "
        f"its kind. Clients have {CLIENTS[0].records}, {CLIENTS[2].records} or all records, and the classes of their domain or a "
        f"Dirichlet's (α = 0.3). R = {CLUSTERS}, budgets {BUDGETS[0]} and {BUDGETS[1]}, a logistic regression. Gains are in points "
        "of accuracy on the client's own mixture of classes, over today's rule with the same noise. A table is a site, however "
        "many clients it has. A hybrid asks a second query, which the product does not have."
    )
    said = [f"* {name}: {text}." for name, text in CANDIDATES.items()]
    shown = [markdown(table) for table in tables(found)]
    head = ["# Rules that were tried", f"{origin} Written by `proxyset-lab rules`.", about, "\n".join(said)]
    return "\n\n".join([*head, *shown]) + "\n"


def tables(found: Sequence[Run]) -> list[Table]:
    """Candidates over today's rule, then hybrids over the better of counts and classifier: a column for each kind of client."""
    plain = Client(None, None, 0.58)
    kinds = {
        "all clients": found,
        "60 records": [run for run in found if run.client.records == 60],
        "200 records": [run for run in found if run.client.records == 200],
        "α = 0.3": [run for run in found if run.client.alpha],
        "ε = 0.1": [run for run in found if run.client.epsilon == 0.1],
        "all records, own classes, ε = 0.58": [run for run in found if run.client == plain],
    }
    kinds = {kind: runs for kind, runs in kinds.items() if runs}
    columns = ("rule", *kinds)

    def row(name: str, entry: Callable[[Sequence[Run]], Entry]) -> tuple[Entry, ...]:
        return (name, *map(entry, kinds.values()))

    def over(name: str) -> tuple[Entry, ...]:
        return row(name, lambda runs: _gain(runs, name, TODAY))

    def over_both(name: str) -> tuple[Entry, ...]:
        return row(name, lambda runs: _gain(runs, name, _better(runs)))

    first = row(TODAY, lambda runs: f"{100 * float(np.mean([run.scores[TODAY] for run in runs])):.1f}")
    hybrids = [name for name in CANDIDATES if name.startswith("hybrid")]
    title = "Over today's rule, by the kind of client; first line: its accuracy in %"
    return [
        Table(title, columns, (first, *map(over, ("ecos", *ALONE, *CANDIDATES)))),
        Table(
            "Hybrids over the better of counts and classifier",
            columns,
            (row("the better of both", _better), *map(over_both, hybrids)),
        ),
    ]


def _better(runs: Sequence[Run]) -> str:
    return max((TODAY, CLASSIFIER), key=lambda name: float(np.mean([run.scores[name] for run in runs])))


def _gain(runs: Sequence[Run], name: str, base: str) -> Gain:
    return paired_gain([run.scores[name] - run.scores[base] for run in runs], [run.table for run in runs])
