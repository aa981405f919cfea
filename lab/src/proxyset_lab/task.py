"""One client and its cloud in a benchmark: a split, its features, and the real exchange between the two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset import atomic
from proxyset.client.answer import answer
from proxyset.client.vote import Voter
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.cloud.select import DEFAULT_RULE, DEFAULT_STRATEGY, Candidates, Coverage, Rule, rank
from proxyset.cloud.select.ratio_model import log_density_ratio
from proxyset.demo.classifier import Labels
from proxyset.demo.splits import Rows
from proxyset.fingerprint import fingerprint
from proxyset.wire.probe import Dtype, Probe
from proxyset.wire.release import Release
from proxyset_lab.cell import MOST_SHARE, Data, Group, own_share
from proxyset_lab.features import Features
from proxyset_lab.sides import Sides, sides
from proxyset_lab.training import Training, training_of

_DEFAULT_CLUSTERS = 100
REHEARSALS = 2


@dataclass
class Task:
    """A group of cells at work.

    Attributes:
        group: which one.
        data: the experiment's entry of the data set.
        features: the data set.
        work: a folder for indexes and throw-away ledgers; its content may be deleted afterwards.
        releases: a folder where releases are kept, so that methods added later answer to the same noise.
        delta: of every private method.
        among: the rows of the data set that take part; None for all.
        pool: rows of the public pool, in the order of the index.
    """

    group: Group
    data: Data
    features: Features
    work: Path
    releases: Path
    delta: float = 1e-5
    among: Rows | None = None
    split: Sides = field(init=False)
    pool: Rows = field(init=False)

    def __post_init__(self) -> None:
        groups = self.features.groups
        self.split = sides(
            [str(domain) for domain in self.features.domains],
            self.group.private,
            self.group.seed,
            groups=None if groups is None else [str(group) for group in groups],
            twins=self.features.twins,
            most=self.data.most,
            among=self.among,
        )
        if self.data.records is not None:
            few = self.rng(7).permutation(self.split.client)[: self.data.records]
            self.split = replace(self.split, client=np.sort(few))
        if (share := own_share(self.group.pool)) is not None:
            self.split = self._holding(share)
        own = np.isin(self.split.pool, self.split.in_distribution)
        kinds = {"id": own, "ood": ~own}
        self.pool = self.split.pool[kinds.get(self.group.pool, np.ones_like(own))]

    def _holding(self, share: float) -> Sides:
        """The same sides with a pool of which `share` is of the client's kind; of two shares, the larger has the other's items."""
        own, others = self.split.in_distribution, self.split.others
        size = min(len(others), int(len(own) / MOST_SHARE))  # whatever the share
        own = own[: round(share * size)]
        others = others[: size - len(own)]
        pool = self.rng(16).permutation(np.concatenate([own, others]))
        return replace(self.split, in_distribution=own, others=others, pool=pool)

    @cached_property
    def rehearsals(self) -> tuple[Task, ...]:
        """Up to REHEARSALS other sites, each of which plays the client among the public items of all sites but this task's own.

        What a method that trains on a client is to be set to is tried there: no item of this task's site takes part, neither of
        the client, nor of its tests, nor public. Sites follow from the seed.
        """
        others = self.split.others
        names = np.unique([str(self.features.domains[row]) for row in others])
        found = []
        for name in self.rng(17).permutation(names)[:REHEARSALS].tolist():
            work = self.work / f"rehearsal-{name}"
            work.mkdir(exist_ok=True)
            group = self.group._replace(private=name, pool="id+ood")
            found.append(Task(group, self.data, self.features, work, work, self.delta, among=others))
        return tuple(found)

    @property
    def training(self) -> Training:
        return training_of(self.group.data_set)

    @cached_property
    def X(self) -> NDArray[np.float32]:  # noqa: N802 - the field's name
        """(n, d) features of all rows."""
        return self.features.matrix(self.split.pool)

    @property
    def y(self) -> Labels:
        return self.features.labels

    def score(self, rows: Rows, weights: NDArray[np.float64] | None = None) -> float:
        """The metric on the test items after training on rows of the data set, each counted by its weight."""
        test = self.split.test
        return self.training.score(self.X[rows], self.y[rows], self.X[test], self.y[test], weights)

    def pool_weights(self, clusters: int | None, release: Release) -> NDArray[np.float64]:
        """(n,) the density ratio of every pool item after one release, 1 on average: what each counts where labels are free."""
        candidates = self.candidates(clusters)
        ranked = rank(candidates, [release], 1, DEFAULT_STRATEGY)
        assert ranked.coverage is not None
        logs = np.concatenate(list(log_density_ratio(candidates, ranked.coverage)))
        ratios = np.exp((logs - logs.max()).astype(np.float64))
        weights: NDArray[np.float64] = ratios / ratios.mean()
        return weights

    def rng(self, *stream: int) -> np.random.Generator:
        """Public randomness of selections and training. Privacy noise never comes from here."""
        return np.random.default_rng([self.group.seed, *stream])

    def index(self, clusters: int | None) -> Index:
        """The pool's index with R clusters (None: any; it need not be the one of a probe)."""
        R = min(clusters or _DEFAULT_CLUSTERS, len(self.pool))
        folder = self.work / f"index-{R}"
        if folder not in self._indexes:
            path = self.work / "pool.npy"
            if not path.exists():
                np.save(path, self.X[self.pool])
            self._indexes[folder] = build_index(
                path, folder, encoder="embeddings", clusters=R, dim=self.data.dim, seed=self.group.seed
            )
        return self._indexes[folder]

    @cached_property
    def _indexes(self) -> dict[Path, Index]:
        return {}

    def candidates(self, clusters: int | None) -> Candidates:
        """The pool as a strategy sees it."""
        index = self.index(clusters)
        if index.fingerprint not in self._candidates:
            self._candidates[index.fingerprint] = index.candidates()
        return self._candidates[index.fingerprint]

    @cached_property
    def _candidates(self) -> dict[str, Candidates]:
        return {}

    def sources(self) -> NDArray[np.uint8]:
        """(n,) the domain of every pool item, as a code."""
        names = [str(self.features.domains[row]) for row in self.pool]
        return np.unique(names, return_inverse=True)[1].astype(np.uint8)

    def probe(self, clusters: int | None, dim: int | None, dtype: Dtype) -> Probe:
        index = self.index(clusters)
        return index.probe(dim=None if dim is None else min(dim, index.manifest.dim), dtype=dtype)

    def release(self, epsilon: float, probe: Probe) -> Release:
        """The client's answer: kept from an earlier run, or drawn now through a ledger that is thrown away."""
        who = [*self.group, self.data.records] if self.data.records else [*self.group]
        name = fingerprint([*who, probe.fingerprint, epsilon, self.delta])[:24]
        path = self.releases / f"{name}.safetensors"
        if not path.exists():
            ledger = self.work / f"{name}-{time.monotonic_ns()}.sqlite"
            found = answer(
                probe,
                self.X[self.split.client],
                epsilon=epsilon,
                delta=self.delta,
                ledger=ledger,
                dataset="client",
            )
            atomic.write_bytes(path, found.to_bytes())
        return Release.from_bytes(path.read_bytes())

    def picks(
        self,
        strategy: str,
        clusters: int | None,
        answers: Sequence[Release] | Coverage,
        budget: int,
        *,
        rule: Rule = DEFAULT_RULE,
        sources: bool = False,
    ) -> Rows:
        """Rows of the data set that a strategy picks from the pool, best first; fewer where the pool is smaller.

        Args:
            strategy: which one, as `select.rank` takes it.
            clusters: R of the index that it looks at.
            answers: what the clients sent; none for a strategy that asks nobody.
            budget: how many.
            rule: how answers are combined.
            sources: whether the pool names the domain of each of its items.

        Raises:
            InvalidInput: a release kept from an earlier run belongs to another index: libraries have changed.
        """
        candidates = self.candidates(clusters)
        if sources:
            candidates = replace(candidates, groupings={"source": self.sources()})
        ranked = rank(candidates, answers, budget, strategy, self.group.seed, rule=rule)
        return self.pool[ranked.rows]

    def clear_coverage(self, probe: Probe) -> Coverage:
        """Counts without noise. NOT PRIVATE: a bound on what any noise could cost.

        Sensitivity:
            One record moves one count by 1.
        Unit:
            One record.
        Guarantee:
            None at all.
        Assumes:
            The private data are public benchmark data.
        """
        counts = np.bincount(self.votes(probe), minlength=probe.clusters)
        return Coverage(counts.astype(np.float64), 0.0)

    def votes(self, probe: Probe) -> NDArray[np.int64]:
        """(records,) the cluster that each of the client's records votes for. NOT PRIVATE.

        Sensitivity:
            One label a record.
        Unit:
            One record.
        Guarantee:
            None at all.
        Assumes:
            The private data are public benchmark data.
        """
        return Voter(probe)(self.X[self.split.client])
