"""Which fleets are measured: one TOML file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from proxyset.cloud.select import DEFAULT_RULE
from proxyset_lab.data.registry import find
from proxyset_lab.toml import OfToml

Dealt = Literal["iid", "by class"]
Lies = Literal["together", "alone", "invalid", "in bound"]
Added = Literal[
    "capped", "robust", "sum", "two-party", "two-party, floor 8", "two-party, floor 4", "two-party, floor 2"
]
BASELINES = ("random", "k-center")


class Cell(NamedTuple):
    """One proxy set to draw and train on.

    Attributes:
        private, seed: the split of the data set.
        method: "fleet", or a strategy that asks nobody (then all that follows is empty).
        dealt: how records come to clients: at random, or sorted by class.
        clients: n.
        records: of each client; 0 where one data set is dealt out to all.
        clusters: R.
        liars: share of the clients that lie.
        rule: how releases are combined; "two-party": exact votes, with noise of √2 σ on their sum; "two-party, floor 4": each of
            them randomised at home at ε = 4 before.
        lies: "together" point all liars at the same half of the clusters, the one that is least the clients'; "alone" each
            points at a random half. Of a two-party sum: "invalid" shares, which are dropped, or all the votes that the bound
            allows "in bound", for that half.
    """

    private: str
    seed: int
    method: str
    dealt: str = ""
    clients: int = 0
    records: int = 0
    clusters: int = 0
    liars: float = 0.0
    rule: str = ""
    lies: str = "together"


class Part(BaseModel):
    """Fleets of one question; every combination is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    clients: tuple[int, ...] = Field(min_length=1)
    dealt: tuple[Dealt, ...] = ("iid",)
    records: int = Field(default=0, ge=0)
    clusters: tuple[int, ...] = Field(min_length=1)
    liars: tuple[float, ...] = (0.0,)
    rules: tuple[Added, ...] = (DEFAULT_RULE,)
    lies: Lies = "together"

    def fleets(self) -> Iterator[tuple[str, int, int, int, float, str, str]]:
        """The fields of a cell after its method. One client is dealt everything, whichever way."""
        for dealt, n, R, liars, rule in product(
            self.dealt, self.clients, self.clusters, self.liars, self.rules
        ):
            if n > 1 or dealt == self.dealt[0]:
                yield dealt, n, self.records, R, liars, rule, self.lies if liars else "together"


class Plan(OfToml):
    """An experiment with fleets.

    Attributes:
        data: as in `proxyset-lab list`; each of its domains is private in turn.
        most: of each domain at most this many items take part.
        budgets: numbers of picked items; all but the largest are prefixes of the largest's ranking.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    most: int = Field(ge=10)
    seeds: tuple[int, ...] = Field(min_length=1)
    epsilon: float = Field(gt=0)
    budgets: tuple[int, ...] = Field(min_length=1)
    parts: tuple[Part, ...]

    def splits(self) -> list[tuple[str, int]]:
        """(private domain, seed) of all runs, seeds outermost."""
        return [(domain.name, seed) for seed in self.seeds for domain in find(self.data).domains]

    def cells(self, private: str, seed: int) -> list[Cell]:
        """Of one run, each once."""
        found = [Cell(private, seed, method) for method in BASELINES]
        found += [Cell(private, seed, "fleet", *fleet) for part in self.parts for fleet in part.fleets()]
        return list(dict.fromkeys(found))
