"""Clients whose classes are skewed and few, and what fitting the model at home gives back.

A client's class shares are drawn from a Dirichlet of concentration α (none: as its domain has them), its N records from its split
with these shares. Models are measured on the test items, weighted to the client's own shares ("accuracy"), and with all classes
alike ("balanced"). Results are kept line by line; the same command goes on where it was stopped. Noise has no seed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from proxyset import adapt_to_client
from proxyset.client.adapt import state_shares
from proxyset.demo.statistics import Gain, paired_gain
from proxyset_lab import kept
from proxyset_lab.cell import Data, Group
from proxyset_lab.cells import mak
from proxyset_lab.data.registry import find
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.features import Features
from proxyset_lab.methods import WEIGHTED
from proxyset_lab.tables import Entry, Table, markdown
from proxyset_lab.task import Task

METHODS = ("random", "k-center", "ecos", "density-ratio", "whole-pool", WEIGHTED, "mak", "local")
OURS = "density-ratio"
ASK_NOBODY = ("random", "k-center", "whole-pool")
BUDGETS = {"digits": (300, 1500), "iconnet": (150, None), "sentiment": (300, 1500), "flights": (300, 1500)}
ALPHAS = (None, 1.0, 0.3, 0.1)
RECORDS = (60, 200)
EPSILON, CLUSTERS = 0.58, 100
_FLOOR = 1e-3  # of a true share, where true shares are the prior


class Client(NamedTuple):
    """One client: α, None for its domain's own classes, and how many records it has."""

    data_set: str
    private: str
    seed: int
    alpha: float | None
    records: int


def run(out: Path, data_sets: Sequence[str], seeds: Sequence[int], domains: int) -> None:
    """Measure every client that `out` does not hold yet, and append it.

    Args:
        out: JSON lines.
        data_sets: of `BUDGETS`.
        seeds: of splits.
        domains: how many private domains of each data set, those first that the rule was not designed on.
    """
    known = {client for client, _ in read(out)}
    kept.ready(out)
    with threadpool_limits(1):
        for name in data_sets:
            features = Features.of(find(name))
            for seed in seeds:
                others_first = sorted(find(name).domains, key=lambda one: designed_on(name, one.name))
                for domain in others_first[:domains]:
                    clients = [
                        Client(name, domain.name, seed, alpha, records)
                        for alpha in ALPHAS
                        for records in RECORDS
                    ]
                    if missing := [client for client in clients if client not in known]:
                        sys.stderr.write(f"{name}, {domain.name}, seed {seed}: {len(missing)} clients\n")
                        _measure(features, missing, out)


def read(out: Path) -> list[tuple[Client, dict[str, dict[str, float]]]]:
    """Client and method → measure → value, as measured so far."""
    return [(Client(*line["client"]), line["scores"]) for line in kept.records(out)]


def _measure(features: Features, clients: Sequence[Client], out: Path) -> None:
    first = clients[0]
    budget, most = BUDGETS[first.data_set]
    with tempfile.TemporaryDirectory(prefix="proxyset-skew-") as folder:
        work = Path(folder)
        data = Data(name=first.data_set, budgets=(budget,), most=most)
        task = Task(Group(first.data_set, first.private, first.seed, "id+ood"), data, features, work, work)
        split, models = task.split, dict[str, Any]()
        for number, client in enumerate(clients):
            shares, rows = draw(task.y, split.client, split.test, client)
            task.split, task.releases = replace(split, client=rows), work / f"{number}"
            task.releases.mkdir()
            scores = {method: _scores(task, method, budget, shares, models) for method in METHODS}
            kept.add(out, {"client": client, "scores": scores})


def draw(
    y: NDArray[np.str_], rows: NDArray[np.int64], test: NDArray[np.int64], client: Client
) -> tuple[dict[str, float], NDArray[np.int64]]:
    """The client's class shares, and its records. Classes that its split or the test items lack get none.

    Where the split has too few of a class, the client has them all and fewer records of it.
    """
    rng = np.random.default_rng([client.seed, client.records, round(1000 * (client.alpha or 0)), 15])
    names = np.intersect1d(np.unique(y[rows]), np.unique(y[test]))
    own = np.array([(y[rows] == name).sum() for name in names], float)
    drawn = own if client.alpha is None else rng.dirichlet(np.full(len(names), client.alpha))
    shares = drawn / drawn.sum()
    counts = rng.multinomial(client.records, shares)
    chosen = [
        rng.permutation(rows[y[rows] == name])[:count] for name, count in zip(names, counts, strict=True)
    ]
    return dict(zip(names.tolist(), shares.tolist(), strict=True)), np.sort(np.concatenate(chosen))


def _scores(
    task: Task, method: str, budget: int, shares: dict[str, float], models: dict[str, Any]
) -> dict[str, float]:
    """Measure → value; `models` keeps those that no client has a part in."""
    rows, weights = _rows(task, method, budget)
    X, y = task.X, task.y
    classes, numbers = np.unique(y[rows], return_inverse=True)
    client, test = task.split.client, task.split.test
    if len(classes) < 2:
        before, mine = np.zeros((len(test), 1)), np.zeros((len(client), 1))
    else:
        model = models.get(method) or task.training.model().fit(X[rows], y[rows], sample_weight=weights)
        if method in ASK_NOBODY:
            models[method] = model
        before, mine = (model.predict_log_proba(X[of]) for of in (test, client))
    training = np.bincount(numbers, weights).astype(np.float64)  # as the loss weighed them
    if task.training.balanced:
        training = training / np.bincount(numbers)
    fitted = adapt_to_client(mine, training)
    true = state_shares([max(shares.get(name, 0.0), _FLOOR) for name in classes], training)
    found: dict[str, float] = {}
    for name, scores in (("", before), (" fitted", fitted.apply(before)), (" true", true.apply(before))):
        right = classes[scores.argmax(axis=1)] == y[test]
        per_class = {of: float(right[y[test] == of].mean()) for of in shares}
        found["accuracy" + name] = sum(share * per_class[of] for of, share in shares.items())
        found["balanced" + name] = float(np.mean(list(per_class.values())))
    return found


def _rows(task: Task, method: str, budget: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows that a method trains on, and what each counts, 1 on average."""
    weights = None
    if method == "local":
        rows = task.split.client
    elif method == "mak":
        rows = mak(task, budget)
    elif method == "whole-pool":
        rows = task.pool
    elif method == WEIGHTED:
        release = task.release(EPSILON, task.probe(CLUSTERS, None, "float16"))
        rows, weights = task.pool, task.pool_weights(CLUSTERS, release)
    else:
        asks = method in ("ecos", OURS)
        answers = [task.release(EPSILON, task.probe(CLUSTERS, None, "float16"))] if asks else []
        rows = task.picks(method, CLUSTERS, answers, budget)
    return rows, np.ones(len(rows)) if weights is None else weights


Results = Sequence[tuple[Client, dict[str, dict[str, float]]]]
_Of = list[tuple[Client, dict[str, dict[str, float]]]]


def page(results: Results, origin: str) -> str:
    """What was measured, as Markdown."""
    seeds = len({client.seed for client, _ in results})
    pairs = len({(client.data_set, client.private) for client, _ in results})
    parts = [
        "# Skewed and small clients",
        f"{origin} Written by `proxyset-lab skew`: {len(results):,} clients of {pairs} domains, {seeds} seeds. "
        f"A client's classes are drawn from a Dirichlet of concentration α (none: as its domain has them), and it has N records. "
        f"ε = {EPSILON}, R = {CLUSTERS}; the classifier is a logistic regression on frozen features, the same for all. "
        "Accuracy is on the client's own mixture of classes, in percent. MAK sees private data in the clear, local trains on the "
        "client's labels: neither is a rival. whole-pool has all labels, and "
        "pool-weighted counts them by the density ratio: for where labels cost nothing. Gains are in points of accuracy on the "
        "client's own mixture. Fitting is compared with the same model as it was trained; beside it what the client's true shares "
        "would give, and what fitting does to balanced accuracy, which is not meant to rise: a client that has few of a class "
        "gives it up for the others.",
    ]
    for designed in (False, True):
        here = [(c, s) for c, s in results if designed_on(c.data_set, c.private) == designed]
        if here:
            parts += [markdown(table) for table in tables(here, designed)]
    return "\n\n".join(parts) + "\n"


def tables(results: Results, designed: bool) -> list[Table]:
    """Gains, then what they come from; the last over all data sets."""
    gains: list[tuple[Entry, ...]] = []
    fits: list[tuple[Entry, ...]] = []
    means: list[tuple[Entry, ...]] = []
    for name, alpha, records, of in cells(results):
        first = (name, alpha_text(alpha), str(records))
        base = gain_of(of, (OURS, "accuracy"), ("random", "accuracy"))
        home = gain_of(of, (OURS, "accuracy fitted"), ("random", "accuracy"))
        gains.append((*first, base, home))
        fitted, true = (
            gain_of(of, (OURS, "accuracy" + kind), (OURS, "accuracy")) for kind in (" fitted", " true")
        )
        balanced = (f"{_mean(of, OURS, measure):.1f}" for measure in ("balanced", "balanced fitted"))
        fits.append((*first, fitted, true, *balanced))
        values = [_mean(of, method, "accuracy") for method in METHODS] + [_mean(of, OURS, "accuracy fitted")]
        means.append((*first, *(f"{value:.1f}" for value in values)))
    over: list[tuple[Entry, ...]] = []
    for alpha in (alpha for alpha in ALPHAS if any(client.alpha == alpha for client, _ in results)):
        of = [(client, scores) for client, scores in results if client.alpha == alpha]
        both = (gain_of(of, (OURS, "accuracy" + kind), (OURS, "accuracy")) for kind in (" fitted", " true"))
        over.append((alpha_text(alpha), *both))
    keys = ("data", "α", "N")
    return [
        Table(titled("Gain over random", designed), (*keys, OURS, f"{OURS}, fitted at home"), tuple(gains)),
        Table(
            titled(f"What fitting at home gives {OURS}", designed),
            (*keys, "fitted", "true shares", "balanced, as trained", "balanced, fitted"),
            tuple(fits),
        ),
        Table(titled("The same, all domains", designed), ("α", "fitted", "true shares"), tuple(over)),
        Table(titled("Accuracy in %", designed), (*keys, *METHODS, f"{OURS}, fitted at home"), tuple(means)),
    ]


def cells(results: Results) -> Iterator[tuple[str, float | None, int, _Of]]:
    """Data set, α, number of records, and the clients that have them."""
    for name in dict.fromkeys(client.data_set for client, _ in results):
        for alpha in ALPHAS:
            for records in RECORDS:
                wanted = (name, alpha, records)
                group = [(c, s) for c, s in results if (c.data_set, c.alpha, c.records) == wanted]
                if group:
                    yield name, alpha, records, group


def alpha_text(alpha: float | None) -> str:
    """α as tables print it."""
    return "none" if alpha is None else f"{alpha:g}"


def _mean(group: _Of, method: str, measure: str) -> float:
    return 100 * float(np.mean([scores[method][measure] for _, scores in group]))


def gain_of(group: _Of, ours: tuple[str, str], other: tuple[str, str]) -> Gain:
    """Of one method and measure over another, with its interval over sites."""
    differences = [scores[ours[0]][ours[1]] - scores[other[0]][other[1]] for _, scores in group]
    return paired_gain(differences, [f"{client.data_set} {client.private}" for client, _ in group])
