"""The plan: what a release would be worth, before any privacy is spent. Uses N, R, ε and nothing private.

The cloud gives cluster j the share max(ṽ_j, 0) / Σ max(ṽ, 0) of its budget; the private data would give it v_j / N. What
both give, Σ_j min of the two, is the private mass that the selection captures: 1 is a perfect picture, and the clusters'
sizes in the pool alone (no client asked) give about the share of clusters that the client uses.

The counts are not known, so a shape is assumed: the client's records lie in a part of the clusters (`spread`), evenly.
Counts in the others are noise alone. Then with K = spread · R, v = N / K, and Z standard normal,

    E max(v + σZ, 0) = v Φ(v/σ) + σ φ(v/σ)             W = K · that + (R − K) · σ φ(0)
    captured = K · E min(1/K, max(v + σZ, 0) / W)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from proxyset.client.calibration import Adjacency, Unit, privacy_statement
from proxyset.errors import InvalidInput
from proxyset.wire.release import PrivacyStatement

ENOUGH = 0.5  # captured mass at which a release was seen to beat choosing without one
SPREAD = 0.3  # of the clusters that one of five or six domains used, in the trials behind the design
_CLUSTERS = (10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000)
_EPSILONS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.58, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True)
class Plan:
    """What to expect.

    Attributes:
        captured: share of the private mass that the noisy counts point at, 0 to 1.
        without: the same with no client asked: the budget spread evenly over all clusters.
        noiseless: the same without noise, always 1 for counts as assumed; for reading the other two.
        privacy: what the release would state.
        recommended_clusters: the most clusters, up to 1,000, that still capture half at this ε; 0 when none does.
        recommended_epsilon: the least ε that captures half with the clusters asked for; None when none up to 10 does.
    """

    captured: float
    without: float
    noiseless: float
    privacy: PrivacyStatement
    recommended_clusters: int
    recommended_epsilon: float | None


def plan(
    records: int,
    clusters: int,
    epsilon: float,
    delta: float = 1e-5,
    unit: Unit = "record",
    adjacency: Adjacency = "add-remove",
    max_records: int = 1,
    spread: float = SPREAD,
) -> Plan:
    """Predict what a release would be worth.

    Args:
        records: about how many will be counted, N. A guess does; the number is not sent anywhere. For a range, ask for its
            lower end. Of persons whose votes are within the bound all records count; of one with k > max_records records,
            each in a cluster of its own, √(max_records · k).
        clusters: R.
        epsilon, delta, unit, adjacency, max_records: as `calibration.privacy_statement` takes them.
        spread: share of the clusters that the private data uses, in (0, 1].

    Sensitivity:
        None: nothing private goes in except `records`, which stays on the owner's machine.
    Unit:
        As asked.
    Guarantee:
        None needed: do not publish a plan made with the exact N.
    Assumes:
        Counts even over `spread` of the clusters; a more uneven client does better.

    Raises:
        InvalidInput: an impossible number.
    """
    if records < 1 or clusters < 1 or not 0 < spread <= 1:
        raise InvalidInput(
            f"a plan needs records ≥ 1, clusters ≥ 1 and spread in (0, 1]; not {records}, {clusters}, {spread}"
        )
    privacy = privacy_statement(epsilon, delta, unit, adjacency, max_records)
    fitting = [R for R in _CLUSTERS if captured(records, R, privacy.noise, spread) >= ENOUGH]
    sigmas = ((e, privacy_statement(e, delta, unit, adjacency, max_records).noise) for e in _EPSILONS)
    return Plan(
        captured=captured(records, clusters, privacy.noise, spread),
        without=_used(clusters, spread) / clusters,
        noiseless=1.0,
        privacy=privacy,
        recommended_clusters=max(fitting, default=0),
        recommended_epsilon=next(
            (e for e, sigma in sigmas if captured(records, clusters, sigma, spread) >= ENOUGH), None
        ),
    )


def captured(records: int, clusters: int, sigma: float, spread: float = SPREAD) -> float:
    """Expected share of private mass that noisy counts point at: the formula above, by quadrature.

    Sensitivity:
        None: see `plan`.
    Unit:
        None.
    Guarantee:
        None needed.
    Assumes:
        Noise that is normal rather than discrete, and a total weight that is near its mean: within 0.05 of simulation
        for R ≥ 10 (the tests).
    """
    used = _used(clusters, spread)
    v = records / used
    z = np.linspace(-8, 8, 4001)
    mass = np.exp(-(z**2) / 2)
    mass /= mass.sum()
    noisy = np.maximum(v + sigma * z, 0)
    total = used * float(noisy @ mass) + (clusters - used) * sigma / math.sqrt(2 * math.pi)
    return float(np.minimum(1, used * noisy / total) @ mass)


def _used(clusters: int, spread: float) -> int:
    return max(1, round(spread * clusters))
