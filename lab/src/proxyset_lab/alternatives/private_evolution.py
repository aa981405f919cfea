"""Private Evolution's votes, used to pick from a pool (after Lin et al., ICLR 2024, and Lin et al. 2025 on data instead of
generators): rounds of a nearest-item histogram, in which what gets votes breeds its neighbours in the pool."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from proxyset.client.calibration import privacy_statement
from proxyset.client.vote import Voter
from proxyset.cloud.select.allocation import allocate
from proxyset.encoders.ready import EmbeddingsEncoder
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement
from proxyset_lab.noise import discrete_gaussian
from proxyset_lab.outcome import Costs, Outcome, classify
from proxyset_lab.task import Task

ROUNDS, POPULATION = 4, 100
_FIRST_REACH = (
    64  # a child is one of this many neighbours of its parent in the first round, half as many in each next
)


def private_evolution(task: Task, budget: int, epsilon: float) -> Outcome:
    """Pick `budget` pool items around the population that survives ROUNDS rounds of noisy votes.

    Sensitivity:
        One record moves one count of each round by 1.
    Unit:
        One record.
    Guarantee:
        (ε, δ)-DP of all rounds together: discrete Gaussian noise on each histogram, composed by its own privacy loss
        distribution (the scale is fixed beforehand, so adaptive populations compose). Noise as `noise` draws it.
    Assumes:
        The client answers ROUNDS times.
    """
    Z = task.candidates(None).Z
    private = task.index(None).projection(task.X[task.split.client])
    privacy = round_statement(epsilon, task.delta, ROUNDS)
    rng = task.rng(5)
    size = min(POPULATION, len(Z))
    population = rng.permutation(len(Z))[:size]
    down = up = arithmetic = 0
    weights: NDArray[np.float64] = np.zeros(size)
    for turn in range(ROUNDS):
        if turn:
            parents = rng.choice(population, size, p=weights / weights.sum())
            population = _children(Z, parents, max(2, _FIRST_REACH >> turn), rng)
        probe = Probe.build(Z[population], EmbeddingsEncoder(Z.shape[1]).spec, "0" * 64)
        counts = np.bincount(Voter(probe)(private), minlength=size)
        noisy = counts + discrete_gaussian(privacy.sigma, (size,))
        weights = np.maximum(noisy, 0) + 1e-9  # if noise made all negative, all stay alike
        down, up = down + len(probe.to_bytes()), up + 8 * size
        arithmetic += len(private) * size * Z.shape[1]
    rows = _around(Z, population, weights, min(budget, len(Z)))
    return classify(task, task.pool[rows], Costs(epsilon, down, up, arithmetic, ROUNDS))


@lru_cache(maxsize=256)
def round_statement(epsilon: float, delta: float, rounds: int) -> PrivacyStatement:
    """The statement of one round's noise such that all rounds together are (ε, δ)-DP.

    Sensitivity:
        1 a round.
    Unit:
        One record, add/remove.
    Guarantee:
        The composed privacy loss distribution of the returned σ was checked against (ε, δ); the statement's ρ is the
        round's own, its ε that of all rounds.
    Assumes:
        No more than `rounds` histograms are released.
    """
    from dp_accounting.pld.privacy_loss_distribution import from_discrete_gaussian_mechanism

    single = privacy_statement(epsilon, delta)
    sigma = single.sigma * rounds**0.5
    while from_discrete_gaussian_mechanism(sigma).self_compose(rounds).get_epsilon_for_delta(delta) > epsilon:
        sigma *= 1.002
    return single.model_copy(update={"sigma": sigma, "rho": (1 + 1e-9) / (2 * sigma**2)})


def _children(
    Z: NDArray[np.float32], parents: NDArray[np.intp], reach: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """One distinct pool item for each parent, among its `reach` nearest; a crowded parent reaches farther."""
    taken = np.zeros(len(Z), bool)
    children = np.empty(len(parents), np.intp)
    for number, parent in enumerate(parents):
        distances = np.square(Z - Z[parent]).sum(axis=1)
        distances[taken] = np.inf
        near = np.argpartition(distances, min(reach, len(Z) - 1))[:reach]
        free = near[~taken[near]]
        children[number] = rng.choice(free)
        taken[children[number]] = True
    return children


def _around(
    Z: NDArray[np.float32], population: NDArray[np.intp], weights: NDArray[np.float64], budget: int
) -> NDArray[np.intp]:
    """The budget in proportion to the last votes, each member's share spent on its nearest free pool items."""
    turns = allocate(weights, np.full(len(population), budget), budget)
    shares = np.bincount(turns, minlength=len(population))
    taken = np.zeros(len(Z), bool)
    rows: list[NDArray[np.intp]] = []
    for number in np.argsort(-shares, kind="stable"):
        if not shares[number]:
            break
        distances = np.square(Z - Z[population[number]]).sum(axis=1)
        distances[taken] = np.inf
        nearest = np.argsort(distances, kind="stable")[: shares[number]]
        taken[nearest] = True
        rows.append(nearest)
    return np.concatenate(rows)
