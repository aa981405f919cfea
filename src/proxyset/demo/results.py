"""What a demo run found, and the statistics that the report quotes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from proxyset.demo.statistics import Gain, Spread, paired_gain, spread

METHODS = ("density-ratio", "ecos", "random", "k-center")
ALL_OWN = "all in-distribution"
WHOLE_POOL = "whole pool"


@dataclass(frozen=True)
class Item:
    """One public image. Never a private one: the report is written by the cloud's side."""

    domain: str
    label: str
    png: bytes


@dataclass(frozen=True)
class Cluster:
    """What one centroid stands for.

    Attributes:
        number: its row in the probe.
        noisy_count: what the release says of it; the true count never leaves the client.
        items: how many pool items it holds.
        images: the pool items nearest to it, the medoid first.
    """

    number: int
    noisy_count: int
    items: int
    images: tuple[Item, ...]


@dataclass(frozen=True)
class Gallery:
    """What a method picked.

    Attributes:
        images: its first picks, in order.
        mix: domain → number of picks at the largest budget.
    """

    method: str
    images: tuple[Item, ...]
    mix: dict[str, int]


@dataclass(frozen=True)
class Score:
    """Accuracy of the classifier trained on one training set.

    Attributes:
        method: one of METHODS, ALL_OWN or WHOLE_POOL.
        budget: how many items were picked; None when there was nothing to pick.
        accuracy: on the private domain's test images, in [0, 1].
        own_share: the part of the training items that is of the private domain.
    """

    method: str
    budget: int | None
    accuracy: float
    own_share: float


@dataclass(frozen=True)
class Exchange:
    """What crossed the trust boundary and what it cost.

    Attributes:
        bytes_down, bytes_up: bodies of the messages, in bytes.
        epsilon, delta, rho, sigma: as the client reported and debited them.
        ledger: the client's entries, as `proxyset client ledger show --json` gives them, without empty fields.
        released: fingerprint of the release.
    """

    bytes_down: int
    bytes_up: int
    epsilon: float
    delta: float
    rho: float
    sigma: float
    ledger: tuple[dict[str, object], ...]
    released: str


@dataclass(frozen=True)
class Run:
    """One private domain, one seed.

    Attributes:
        private: the client's domain.
        seed: of the split, the clustering and the selections. Noise has no seed.
        pool, own, records, tests: how many items: the pool, those of the private domain in it, the client's,
            the test's.
        covered, uncovered: clusters with the highest and the lowest noisy counts.
        commands: what was run, as a user would type it.
        galleries: one a method; empty in all but the first seed of a domain, as are the clusters.
    """

    private: str
    seed: int
    pool: int
    own: int
    records: int
    tests: int
    scores: tuple[Score, ...]
    exchange: Exchange
    commands: tuple[str, ...]
    covered: tuple[Cluster, ...] = ()
    uncovered: tuple[Cluster, ...] = ()
    galleries: tuple[Gallery, ...] = ()

    def score(self, method: str, budget: int | None) -> Score:
        """The score of one training set; ALL_OWN and WHOLE_POOL have no budget."""
        wanted = None if method in (ALL_OWN, WHOLE_POOL) else budget
        return next(score for score in self.scores if (score.method, score.budget) == (method, wanted))


@dataclass(frozen=True)
class Results:
    """A whole demo.

    Attributes:
        runs: every private domain × seed.
        budgets: in rising order.
        clusters: R.
        seconds: wall-clock time.
    """

    runs: tuple[Run, ...]
    budgets: tuple[int, ...]
    clusters: int
    seconds: float

    @property
    def domains(self) -> tuple[str, ...]:
        """The private domains, in the order run."""
        return tuple(dict.fromkeys(run.private for run in self.runs))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    def of(self, domain: str) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.private == domain)

    def accuracy(self, method: str, budget: int, domain: str | None = None) -> Spread:
        """Accuracy over the seeds for one domain; without a domain, of each seed's average over domains."""
        if domain is not None:
            return spread([run.score(method, budget).accuracy for run in self.of(domain)])
        return spread(
            [
                float(np.mean([run.score(method, budget).accuracy for run in self.runs if run.seed == seed]))
                for seed in self.seeds
            ]
        )

    def own_share(self, method: str, budget: int) -> float:
        """The mean part of the training items that is of the private domain."""
        return float(np.mean([run.score(method, budget).own_share for run in self.runs]))

    def gain(self, budget: int, over: str = "random", method: str = "ecos") -> Gain:
        """How much `method` is ahead of `over`, in accuracy: pairs of equal domain and seed, the interval over domains."""
        return paired_gain(
            [run.score(method, budget).accuracy - run.score(over, budget).accuracy for run in self.runs],
            [run.private for run in self.runs],
        )


def summary(results: Results) -> dict[str, Any]:
    """All numbers of a demo, without pictures, as JSON values: accuracies and gains in [0, 1]."""
    averages = {
        str(budget): {
            "accuracy": {m: asdict(results.accuracy(m, budget)) for m in (*METHODS, ALL_OWN, WHOLE_POOL)},
            "gain_over_random": asdict(results.gain(budget)),
            "gain_over_k_center": asdict(results.gain(budget, over="k-center")),
            "gain_of_density_ratio_over_ecos": asdict(
                results.gain(budget, over="ecos", method="density-ratio")
            ),
        }
        for budget in results.budgets
    }
    pictures = {"covered", "uncovered", "galleries"}
    runs = [
        {field.name: getattr(run, field.name) for field in fields(run) if field.name not in pictures}
        | {"scores": [asdict(score) for score in run.scores], "exchange": asdict(run.exchange)}
        for run in results.runs
    ]
    return {"averages": averages, "clusters": results.clusters, "seconds": results.seconds, "runs": runs}
