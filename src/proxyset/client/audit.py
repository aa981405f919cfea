"""The audit: attack the shipped client with canaries, and state the least ε that the attack proves.

A canary is a record nearest to one centroid, or a person with more of them than the bound, thrown in or left out by a fair coin;
the attacker sees the release and guesses from that centroid's noisy count. If answers are (ε, δ)-DP then, for any threshold t and
in both directions,

    P(count ≥ t | canary in) ≤ e^ε · P(count ≥ t | canary out) + δ.

Thresholds are chosen on one half of the trials; the other half gives exact (Clopper and Pearson 1934) bounds on both
probabilities, and from them a lower bound on ε. The attack is made twice: on the counts as they are, and less the counts of
a first answer without canaries, which convicts noise that repeats. Every trial goes through `answer`: encoder, vote,
ledger, noise, all as shipped. One answer carries R trials, one a centroid, which add or remove different records.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from proxyset.client.answer import answer
from proxyset.client.audit_bound import proven_epsilon
from proxyset.client.calibration import Unit
from proxyset.client.ledger import Cap, Ledger
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import InvalidInput
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release

CLUSTERS = 1_000
_BASE = 1  # records at every centroid, canary or not
Answer = Callable[..., Release]


@dataclass(frozen=True)
class Audit:
    """What the attack found.

    Attributes:
        claimed_epsilon, delta: what the releases stated.
        proven_epsilon: the true ε is at least this, with probability `confidence`; 0 when nothing is proven.
        confidence: of the bound.
        trials: canaries thrown.
        passed: the proof does not contradict the claim.
    """

    claimed_epsilon: float
    delta: float
    proven_epsilon: float
    confidence: float
    trials: int

    @property
    def passed(self) -> bool:
        return self.proven_epsilon <= self.claimed_epsilon


def audit(
    epsilon: float = 4.0,
    delta: float = 1e-5,
    trials: int = 200_000,
    confidence: float = 0.999,
    answerer: Answer = answer,
    unit: Unit = "record",
    max_records: int = 1,
) -> Audit:
    """Attack `answerer` and report the least ε that the attack proves.

    Args:
        epsilon, delta: what each answer is asked to guarantee, per unit, add or remove. Around 4 the attack is sharpest.
        trials: canaries; about 20 µs each.
        confidence: probability that the bound is right, in (0.5, 1).
        answerer: what is attacked; tests give broken ones.
        unit, max_records: of the attacked answers. A canary that is a person has all records at one centroid, 2 ⌈√max_records⌉ of
            them, so that scaling has to cut it to half and it still moves that count by all that a person may.

    Sensitivity:
        That of the statement: a canary is one unit, and moves one count by all of it.
    Unit:
        `unit`.
    Guarantee:
        If the client is (epsilon, delta)-DP, `passed` is True with probability ≥ confidence. A client that is not may
        pass too: an audit finds gross faults, it proves no privacy.
    Assumes:
        Trials are independent given their coins and the first answer. No private data is touched: canaries are
        synthetic. Noise from a generator that is seeded once a process is not found here: compare two processes.

    Raises:
        InvalidInput: fewer than 1,000 trials, or an impossible confidence, ε or δ.
    """
    if trials < 1000 or not 0.5 < confidence < 1:
        raise InvalidInput(
            f"an audit needs 1,000 trials or more and a confidence in (0.5, 1), not {trials}, {confidence}"
        )
    coins = np.random.default_rng()
    seen: list[NDArray[np.int64]] = []
    thrown: list[NDArray[np.bool_]] = []
    with tempfile.TemporaryDirectory() as folder:
        probe = _probe()
        for number in range(1 + math.ceil(trials / CLUSTERS)):
            inside = coins.random(CLUSTERS) < (0.5 if number else 0)
            # a ledger for each: they are about different, synthetic people
            ledger = Ledger.open(Path(folder) / f"{number}.sqlite", cap=Cap(100))
            common = {"epsilon": epsilon, "delta": delta, "ledger": ledger, "dataset": "canaries"}
            if unit == "record":
                X = np.concatenate([np.repeat(probe.centroids, _BASE, axis=0), probe.centroids[inside]])
                release = answerer(probe, X, **common)
            else:
                people = _people(probe.centroids, inside, max_records)
                release = answerer(probe, people, unit=unit, person="who", max_records=max_records, **common)
            seen.append(release.counts)
            thrown.append(inside)
    first, counts, inside = seen[0], np.stack(seen[1:]), np.concatenate(thrown[1:])
    error = (1 - confidence) / 2
    proven = max(proven_epsilon(attack.ravel(), inside, delta, error) for attack in (counts, counts - first))
    return Audit(epsilon, delta, proven, confidence, len(inside))


def _people(places: NDArray[np.float32], inside: NDArray[np.bool_], max_records: int) -> pa.Table:
    """One person with one record at every centroid, and the canaries, each a person with many at one."""
    at = np.concatenate([np.arange(len(places)), np.repeat(np.flatnonzero(inside), _many(max_records))])
    canary = np.arange(len(at)) >= len(places)
    who = [
        f"{'canary' if there else 'base'} {place}" for place, there in zip(at.tolist(), canary, strict=True)
    ]
    X = places[at]
    return pa.table(
        {"embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1]), "who": who}
    )


def _many(max_records: int) -> int:
    return 2 * (math.isqrt(max_records - 1) + 1)


def _probe() -> Probe:
    """Centroids far apart, so that a canary votes for its own."""
    side = math.ceil(math.sqrt(CLUSTERS))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:CLUSTERS]
    spec = EncoderSpec(name="embeddings", dim=2)
    return Probe.build(grid.astype(np.float32), spec, "0" * 64, dtype="float32", purpose="audit")
