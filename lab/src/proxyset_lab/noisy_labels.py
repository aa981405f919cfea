"""Client labeling with its noise modelled in training, on tables of UCI that no reported figure is of.

A client of one domain labels 150 or 300 public rows, a third of them of its own domain, by the default rule of voting. A logistic
regression is trained on the labels that came back in several ways, all of them post-processing of the release: what they know of
the noise follows from the lead, in σ, and from which questions got which label.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from proxyset.client.labeling import answer_questions
from proxyset.encoders.encoder import EncoderSpec
from proxyset.fingerprint import fingerprint
from proxyset.wire.questions import ABSTAINED, LabelRelease, Questions
from proxyset_lab.fitting import domains, table

TABLES = ("segment", "phoneme", "vehicle", "satimage", "vowel", "texture")
RECORDS = (100, 250, 650)
EPSILON = 4.0
WAYS = {
    "cross-entropy": "the labels as they are",
    "true labels": "a bound: the same items, labeled by people",
    "forward": "the loss of the label that noise makes of the class (Patrini et al. 2017), with a rate of noise η for each item",
    "weights 1 − η": "each item counts as its label is certain",
    "weights by neighbours": "each item counts as its label is probable, given the labels near it",
    "beliefs": "every question, answered or not, with the probabilities of its classes given the labels near it",
    "generalised": "generalised cross-entropy, q = 0.7, which knows nothing of the noise",
}
PENALTIES = (10.0, 0.3)  # C; the benchmark's sets have 0.03 to 10
_BUDGETS, _SHIFTS = (150, 300), ("none", "gain", "cluster")
_TESTED, _NEAR, _ROUNDS, _PRIOR, _Q = 800, 10, 5, 5.0, 0.7
_VOTES, _Z = np.arange(0.0, 8.01, 0.25), np.linspace(-8.0, 16.0, 481)  # in σ

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


class Trained(NamedTuple):
    """One client, one way of training: percent of the questions answered, of the answers right, and accuracy."""

    table: str
    client: str
    records: int
    C: float
    way: str
    answered: float
    right: float
    accuracy: float


def trained(seeds: Iterable[int], tables: Iterable[str] = TABLES) -> Iterator[Trained]:
    """Clients of every size, table and shift; those whose labels are of fewer than two classes are left out."""
    with threadpool_limits(1):
        for name in tables:
            X, y = table(name)
            for seed in seeds:
                for number, shift in enumerate(_SHIFTS):
                    rng = np.random.default_rng([seed, number, 9])
                    yield from _clients(name, f"{shift} {seed}", *domains(X, shift, rng), y, rng)


def page(found: list[Trained]) -> str:
    """Points over cross-entropy for each way, penalty and size of client; tables count the same."""
    sizes = [size for size in RECORDS if any(one.records == size for one in found)]
    heads = [f"{size:,} records" for size in sizes]
    lines = [f"| C | trained by | {' | '.join(heads)} | tables that gain |", "|---" * (len(sizes) + 3) + "|"]
    for C in sorted({one.C for one in found}, reverse=True):
        plain = {one[:3]: one.accuracy for one in found if (one.C, one.way) == (C, "cross-entropy")}
        for way in WAYS:
            group = [one for one in found if (one.C, one.way) == (C, way)]
            gains = [
                _by_table({one[:3]: one.accuracy - plain[one[:3]] for one in group}, size) for size in sizes
            ]
            if way == "cross-entropy":
                cells = [f"{np.mean(list(_by_table(plain, size).values())):.1f}" for size in sizes]
            else:
                cells = [f"{np.mean(list(gain.values())):+.1f}" for gain in gains]
            better = [f"{sum(value > 0 for value in gain.values())} of {len(gain)}" for gain in gains]
            lines.append(f"| {C:g} | {way} | {' | '.join(cells)} | {', '.join(better)} |")
    shares = []
    for size in sizes:
        group = [one for one in found if one.records == size]
        answered, right = (np.mean([getattr(one, of) for one in group]) for of in ("answered", "right"))
        shares.append(f"{size:,} records: {answered:.0f} % answered, {right:.0f} % of the answers right")
    said = [f"* {way}: {text}." for way, text in WAYS.items()]
    return "\n".join([*lines, "", "; ".join(shares) + ".", "", *said]) + "\n"


def _by_table(values: dict[tuple[str, str, int], float], size: int) -> dict[str, float]:
    """The mean of each table."""
    names = sorted({name for name, _, records in values if records == size})
    return {
        name: float(np.mean([value for key, value in values.items() if (key[0], key[2]) == (name, size)]))
        for name in names
    }


def _clients(
    name: str, client: str, X: Array, d: Codes, y: Codes, rng: np.random.Generator
) -> Iterator[Trained]:
    own, others = (rng.permutation(np.flatnonzero(of)) for of in (d == 0, d != 0))
    sixth, budget, K = len(own) // 6, int(rng.choice(_BUDGETS)), int(y.max()) + 1
    near = min(budget // 3, sixth)
    asked = np.concatenate([own[:near], others[: budget - near]])
    private, test = own[sixth : 4 * sixth], own[4 * sixth :][:_TESTED]
    for records in (size for size in RECORDS if size <= len(private)):
        release = _answers(X[asked], X[private[:records]], y[private[:records]], K)
        labels = release.labels.astype(np.intp)
        kept = labels != ABSTAINED
        if len(np.unique(labels[kept])) < 2:
            continue
        rates = noise_rates(X[asked], labels, K, release.privacy.lead)
        q = beliefs(X[asked], labels, K, rates)
        given, true, one = np.eye(K)[labels[kept]], np.eye(K)[y[asked[kept]]], np.ones(kept.sum())
        believed = (q[kept] * given).sum(axis=1)
        for C in PENALTIES:
            Z = X[asked[kept]]
            models = {
                "cross-entropy": _fit(Z, given, one, C),
                "true labels": _fit(Z, true, one, C),
                "forward": _fit(Z, given, one, C, rates=rates[kept]),
                "weights 1 − η": _fit(Z, given, 1 - rates[kept], C),
                "weights by neighbours": _fit(Z, given, believed, C),
                "beliefs": _fit(X[asked], q, np.ones(len(asked)), C),
                "generalised": _fit(Z, given, one, C, power=_Q),
            }
            for way, B in models.items():
                right = (_scores(X[test], B).argmax(axis=1) == y[test]).mean()
                agreed = (labels[kept] == y[asked[kept]]).mean()
                yield Trained(name, client, records, C, way, 100 * kept.mean(), 100 * agreed, 100 * right)


def _answers(asked: Array, X: Array, y: Codes, classes: int) -> LabelRelease:
    """What the client says, by the whole of its own way: ledger, noise and lead."""
    questions = Questions.build(
        asked.astype(np.float32),
        [str(row) for row in range(len(asked))],
        [f"{code:03}" for code in range(classes)],
        EncoderSpec(name="embeddings", dim=asked.shape[1]),
        index=fingerprint("tables"),
        proxy=fingerprint("tables"),
    )
    own = {str(row): f"{code:03}" for row, code in enumerate(y)}
    with tempfile.TemporaryDirectory() as folder:
        return answer_questions(
            questions,
            X.astype(np.float32),
            own,
            epsilon=EPSILON,
            ledger=Path(folder) / "l.sqlite",
            dataset="c",
        )


def noise_rates(X: Array, labels: Codes, classes: int, lead: float) -> Array:
    """(m,) η: how probably noise, not the votes, decided each question's label.

    Where few questions near one got a label, few records voted there. If all of them voted for one class, the share that got a
    label says how many there were, in σ, and that says how often noise beat them. The release does not hold the counts.
    """
    answered = labels != ABSTAINED
    near = _near(X)
    share = (answered[near].sum(axis=1) + answered + _PRIOR * answered.mean()) / (near.shape[1] + 1 + _PRIOR)
    got, right = _outcomes(classes, lead)
    found: Array = np.clip(1 - np.interp(share, got, right), 0.01, 1 - 1 / classes)
    return found


@lru_cache(maxsize=64)
def _outcomes(classes: int, lead: float) -> tuple[Array, Array]:
    """For each of `_VOTES`: how probably its question gets a label, and how probably a label that it gets is the votes' own."""
    step = _Z[1] - _Z[0]
    density: Array = np.exp(-(_Z**2) / 2) / math.sqrt(2 * math.pi)
    rest: Array = density * _below(_Z - lead) ** (classes - 2)
    own = np.array([step * (density * _below(_Z + v - lead) ** (classes - 1)).sum() for v in _VOTES])
    other = np.array([step * (rest * _below(_Z - v - lead)).sum() for v in _VOTES])
    got = own + (classes - 1) * other
    return np.maximum.accumulate(got), own / got


def _below(x: NDArray[np.floating[Any]]) -> Array:
    """The normal distribution function."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])


def beliefs(X: Array, labels: Codes, classes: int, rates: Array) -> Array:
    """(m, K) by Bayes' rule: the classes near a question as they are believed, times how probably noise made its label of each."""
    answered, near = labels != ABSTAINED, _near(X)
    given = np.eye(classes)[labels] * answered[:, None]
    share = (given.sum(axis=0) + 1) / (answered.sum() + classes)
    made = np.where(given > 0, (1 - rates)[:, None], (rates / (classes - 1))[:, None])
    made[~answered] = 1.0
    q: Array = given
    for _ in range(_ROUNDS):
        q = (q[near].sum(axis=1) + share) * made
        q /= q.sum(axis=1, keepdims=True)
    found: Array = q
    return found


def _near(X: Array) -> Codes:
    """(m, k) the nearest other rows."""
    squares = (X**2).sum(axis=1)[:, None] + (X**2).sum(axis=1) - 2 * X @ X.T
    np.fill_diagonal(squares, np.inf)
    found: Codes = np.argsort(squares, axis=1)[:, : min(_NEAR, len(X) - 1)]
    return found


def _fit(
    X: Array, targets: Array, weights: Array, C: float, rates: Array | None = None, power: float = 0.0
) -> Array:
    """(d + 1, K) of the logistic regression with an L2 penalty of 1 / C on all but the constant.

    Args:
        targets: (n, K) probabilities; those of `rates` and `power` have a single 1 each.
        rates: (n,) η of the forward loss.
        power: q of generalised cross-entropy; 0 for cross-entropy.
    """
    A, K = np.hstack([X, np.ones((len(X), 1))]), targets.shape[1]
    noise = np.zeros(len(X)) if rates is None else rates / (K - 1)

    def loss(flat: Array) -> tuple[float, Array]:
        B = flat.reshape(-1, K)
        P = np.exp(_log_softmax(A @ B))
        if rates is None and not power:
            value, G = (
                -(weights[:, None] * targets * np.log(P + 1e-300)).sum(),
                weights[:, None] * (P - targets),
            )
        else:
            p = (P * targets).sum(axis=1)
            seen = (1 - K * noise) * p + noise
            each = (1 - p**power) / power if power else -np.log(seen)
            pull = p**power if power else (1 - K * noise) * p / seen
            value, G = (weights * each).sum(), (weights * pull)[:, None] * (P - targets)
        R = B.copy()
        R[-1] = 0
        return float(value + (R**2).sum() / (2 * C)), (A.T @ G + R / C).ravel()

    start = np.zeros(A.shape[1] * K)
    found: Array = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    return found.reshape(-1, K)


def _log_softmax(scores: Array) -> Array:
    scores = scores - scores.max(axis=1, keepdims=True)
    found: Array = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return found


def _scores(X: Array, B: Array) -> Array:
    found: Array = np.hstack([X, np.ones((len(X), 1))]) @ B
    return found
