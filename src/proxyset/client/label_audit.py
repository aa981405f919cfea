"""The audit of labels: attack the shipped labeling with canaries, as `client.audit` attacks counts.

Questions lie far apart. Around each lie records of class 0, some more than of class 1, so that its label is 1 only when noise
turns it; the canary is a record right at the question whose presence makes that likelier, and the attacker sees the label.

    private-knn      the canary, of class 1, is there or not; it takes the place of a record of class 0
    bounded-votes    the canary is of class 1 or of class 0 (replaced); every record votes on one question

Either way the two counts move by +1 and −1, which is all that one record may do to one question: the claim that is attacked
is that of one question, out of the statement of all.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.client.audit import Audit
from proxyset.client.audit_bound import proven_epsilon
from proxyset.client.calibration import composed_epsilon, zcdp_rho
from proxyset.client.label_privacy import label_statement, voting_of
from proxyset.client.labeling import answer_questions
from proxyset.client.ledger import Cap, Ledger
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import InvalidInput
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.questions import LabelRelease, Questions, Rule

_QUESTIONS = {"private-knn": 100, "bounded-votes": 1000}  # trials an answer carries
_TILT = 1.5  # σ by which class 0 leads: further in the tail the loss is larger, and trials are rarer
_NEAR, _FAR = 0.0, 0.1  # where class 1 and class 0 lie, from their question
Answerer = Callable[..., LabelRelease]


def audit_labels(
    rule: Rule,
    epsilon: float = 3.0,
    delta: float = 1e-5,
    trials: int = 200_000,
    confidence: float = 0.999,
    answerer: Answerer = answer_questions,
) -> Audit:
    """Attack `answerer` and report the least ε that the attack proves.

    Args:
        rule: which rule of voting is attacked.
        epsilon, delta: what one question is asked to guarantee; its exact ε, by its privacy loss distribution, is
            what is claimed in the result. Around 3 the attack is sharpest.
        trials, confidence, answerer: as `audit.audit` takes them.

    Sensitivity:
        One swap: the counts of one question move by +1 and −1.
    Unit:
        One record.
    Guarantee:
        As `audit.audit`: an honest client passes with probability ≥ confidence.
    Assumes:
        Trials are independent given their coins. No private data is touched: canaries are synthetic.

    Raises:
        InvalidInput: fewer than 1,000 trials, or an impossible confidence, ε or δ.
    """
    if trials < 1000 or not 0.5 < confidence < 1:
        raise InvalidInput(
            f"an audit needs 1,000 trials or more and a confidence in (0.5, 1), not {trials}, {confidence}"
        )
    m, coins = _QUESTIONS[rule], np.random.default_rng()
    asked = _questions(m)
    tilt = round(_TILT / math.sqrt(zcdp_rho(epsilon, delta)))
    options = _options(rule, m, tilt, epsilon, delta)
    one = voting_of(label_statement(m, delta=delta, **options), 1)
    seen: list[NDArray[np.int64]] = []
    thrown: list[NDArray[np.bool_]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(math.ceil(trials / m)):
            inside = coins.random(m) < 0.5
            X, labels = _records(rule, asked.X, tilt, inside)
            # a ledger for each: they are about different, synthetic people
            ledger = Ledger.open(Path(folder) / f"{number}.sqlite", cap=Cap(100, delta))
            found = answerer(
                asked, X, labels, dataset="canaries", delta=delta, lead=0.0, ledger=ledger, **options
            )
            seen.append((found.labels == 1).astype(np.int64))
            thrown.append(inside)
    proven = proven_epsilon(np.concatenate(seen), np.concatenate(thrown), delta, 1 - confidence)
    return Audit(composed_epsilon([one], delta), delta, proven, confidence, m * len(seen))


def _options(rule: Rule, m: int, tilt: int, epsilon: float, delta: float) -> dict[str, Any]:
    if rule == "bounded-votes":  # each record reaches one question: all questions together cost what one does
        return {"rule": rule, "epsilon": epsilon, "adjacency": "replace-one", "neighbours": 1}
    together = zcdp_epsilon(m * zcdp_rho(epsilon, delta), delta)
    if together > 100:
        raise InvalidInput(
            f"the audit of private-knn needs an ε of {m} questions below 100, not {together:.0f}"
        )
    return {"rule": rule, "epsilon": together, "neighbours": tilt + 3}


def _records(
    rule: Rule, places: NDArray[np.float32], tilt: int, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Records around every question, and the canaries: class 0 leads by tilt + 1 without, by tilt − 1 with one."""
    near, far = places + np.float32(_NEAR), places + np.float32(_FAR)
    if rule == "private-knn":
        parts = [(near, "1"), *[(far, "0")] * (tilt + 2), (near[inside], "1")]
    else:
        parts = [(near, "1"), *[(far, "0")] * (tilt + 1), (near[inside], "1"), (near[~inside], "0")]
    labels = [label for X, label in parts for _ in X]
    return np.concatenate([X for X, _ in parts]), {str(row): label for row, label in enumerate(labels)}


def _questions(m: int) -> Questions:
    side = math.ceil(math.sqrt(m))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:m]
    return Questions.build(
        grid.astype(np.float32),
        [str(number) for number in range(m)],
        ["0", "1"],
        EncoderSpec(name="embeddings", dim=2),
        index="0" * 64,
        proxy="0" * 64,
        purpose="audit",
    )
