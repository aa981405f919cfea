"""A fleet at work: real votes on real data, noise of the real distribution, releases as they travel, and liars among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.select import DEFAULT_STRATEGY, Rule
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement, Release
from proxyset.wire.task import Task as TwoParty
from proxyset.wire.total import Total
from proxyset_lab.fleets.plan import Cell, Plan
from proxyset_lab.noise import discrete_gaussian
from proxyset_lab.task import Task

Counts = NDArray[np.int64]
_LOWEST = 40  # σ below zero: further down a release is refused. Liars go as far up, which no rule takes for more weight


@dataclass
class Run:
    """One split at work: the same pool, client data and test items for every fleet."""

    plan: Plan
    task: Task

    def scores(self, cell: Cell) -> list[float]:
        """The metric for each budget, after training on what was picked."""
        fleet = cell.method == "fleet"
        picked = self.task.picks(
            DEFAULT_STRATEGY if fleet else cell.method,
            cell.clusters or None,
            self.releases(cell) if fleet else [],
            max(self.plan.budgets),
            rule=_rule(cell.rule),
        )
        return [self.task.score(picked[:budget]) for budget in self.plan.budgets]

    def releases(self, cell: Cell) -> list[Release]:
        """What the fleet sends, every client with its own noise; or the one total that two aggregators open."""
        if cell.rule.startswith("two-party"):
            return [self._total(cell)]
        probe = self.task.probe(cell.clusters, None, "float16")
        privacy = privacy_statement(self.plan.epsilon)
        votes = self._votes(cell, probe)
        liars = round(cell.liars * cell.clients)
        noisy = votes[liars:] + discrete_gaussian(privacy.sigma, votes[liars:].shape)
        wrong = _wrong(votes.sum(axis=0), self.task.candidates(cell.clusters).sizes)
        shuffled = self.task.rng(6).permuted if cell.lies == "alone" else np.array
        far = int(_LOWEST * privacy.sigma)
        lies = [np.where(shuffled(wrong), far - i, -far) for i in range(liars)]
        return [Release(counts, probe.fingerprint, probe.index, privacy) for counts in [*lies, *noisy]]

    def _total(self, cell: Cell) -> Total:
        """A two-party sum: of what the aggregators accept, and the noise of both. Its shares and proofs are left out: two shares
        add up to what was split, which is what a test has the real ones do."""
        probe = self.task.probe(cell.clusters, None, "float16")
        privacy = privacy_statement(self.plan.epsilon)
        votes = self.accepted(cell, probe)
        noise = discrete_gaussian(privacy.sigma, (2, probe.clusters)).sum(axis=0)
        if "floor" not in cell.rule:
            return Total(votes.sum(axis=0) + noise, probe.fingerprint, probe.index, privacy)
        task = _task(probe, privacy, float(cell.rule.rpartition(" ")[2]))
        return Total.of(task, _randomised(votes, task) + noise, len(votes))

    def accepted(self, cell: Cell, probe: Probe) -> Counts:
        """(reports, R) the votes of every report whose proof holds, liars' last.

        Every client may send as many votes as the largest honest one has. Invalid reports are dropped; a liar within the bound
        spends all of it.
        """
        votes = self._votes(cell, probe)
        liars, most = round(cell.liars * cell.clients), int(votes.sum(axis=1).max())
        if cell.lies != "in bound":
            return votes[liars:]
        wrong = np.flatnonzero(_wrong(votes.sum(axis=0), self.task.candidates(cell.clusters).sizes))
        lies = np.zeros((liars, probe.clusters), np.int64)
        spent = np.arange(liars * most)
        np.add.at(lies, (spent // most, wrong[spent % len(wrong)]), 1)
        return np.concatenate([votes[liars:], lies])

    def _votes(self, cell: Cell, probe: Probe) -> Counts:
        """(n, R) counts without noise: they go into noise, and to liars who know everything."""
        if probe.fingerprint not in self._labels:
            self._labels[probe.fingerprint] = self.task.votes(probe)
        labels, rng = self._labels[probe.fingerprint], self.task.rng(5)
        rows = rng.permutation(len(labels))
        if cell.dealt == "by class":
            rows = rows[np.argsort(self.task.y[self.task.split.client][rows], kind="stable")]
        if cell.records:
            rows = rng.choice(len(labels), cell.clients * cell.records)
        votes = np.zeros((cell.clients, probe.clusters), np.int64)
        owner = np.arange(len(rows)) * cell.clients // len(rows)
        np.add.at(votes, (rng.permutation(cell.clients)[owner], labels[rows]), 1)
        return votes

    @cached_property
    def _labels(self) -> dict[str, Counts]:
        return {}


def _wrong(votes: Counts, sizes: Counts) -> NDArray[np.bool_]:
    """(R,) the half of the clusters that are least the clients': what liars who know everything point at."""
    share = votes / np.maximum(sizes, 1)
    return np.argsort(np.argsort(share, kind="stable")) < len(share) // 2


def _task(probe: Probe, privacy: PrivacyStatement, floor: float) -> TwoParty:
    """A sum of clients who have one vote each, which is randomised at home."""
    person = privacy.model_copy(update={"unit": "person"})
    return TwoParty(
        campaign="fleet", probe=probe.fingerprint, index=probe.index, clusters=probe.clusters, most=1, privacy=person,
        minimum=2, floor=floor, leader="0" * 64, helper="1" * 64, nonce="2" * 64,
    )  # fmt: skip


def _randomised(votes: Counts, task: TwoParty) -> Counts:
    """(R,) the sum of (n, R) votes, one of each client, as `client.shards` randomises them. Chance of the lab, for speed."""
    rng, answers = np.random.default_rng(), task.clusters + 1
    cast = np.where(votes.any(axis=1), votes.argmax(axis=1), task.clusters)
    kept = rng.random(len(cast)) < float(task.truthful)
    sent = np.where(kept, cast, rng.integers(0, answers, len(cast)))
    return np.bincount(sent, minlength=answers)[:-1]


def _rule(name: str) -> Rule:
    return "robust" if name == "robust" else "sum" if name == "sum" else "capped"
