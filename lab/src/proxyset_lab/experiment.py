"""An experiment: one TOML file that says which cells to run.

A cell is one number: data set × private domain × seed × pool × R × message × ε × method × budget. What a method does not
depend on is None in its cells, so that a curve over ε trains the random baseline once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from proxyset.cloud.select import DEFAULT_STRATEGY, STRATEGIES
from proxyset.wire.probe import Dtype
from proxyset_lab.cell import Cell, Data, Group, PoolKind, own_share
from proxyset_lab.data.registry import find
from proxyset_lab.jobs import FREE_LABELS, JOBS
from proxyset_lab.methods import ALTERNATIVES, WEIGHTED, Needs, needs
from proxyset_lab.toml import OfToml


class Message(BaseModel):
    """How a probe travels: leading components (None: all of the index's) and number format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dim: int | None = Field(default=None, ge=1)
    dtype: Dtype = "float16"


class Experiment(OfToml):
    """What to run and how to show it.

    Attributes:
        name: of its folder and tables.
        title, notes: for readers.
        methods: as `methods.needs` takes them; "*" stands for every strategy that proxyset has, "default" for the one that it
            uses unless told otherwise.
        axis: what the figure has on its horizontal axis; None for tables alone.
        job: what is done with the picked items, as in `jobs.JOBS`; "" for a logistic regression on frozen features.
        frozen: whether the first run writes down the rule, and the page says if it was changed since (see `frozen`).
        paper: published numbers to print beside ours: label → method → value in percent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    notes: str = ""
    data: tuple[Data, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    epsilons: tuple[float, ...] = (0.58,)
    delta: float = Field(default=1e-5, gt=0, lt=0.5)
    clusters: tuple[int, ...] = (100,)
    pools: tuple[PoolKind, ...] = ("id+ood",)
    messages: tuple[Message, ...] = (Message(),)
    axis: Literal["epsilon", "budget", "clusters", "bytes", "own-share"] | None = None
    job: str = ""
    frozen: bool = False
    paper: dict[str, dict[str, float]] = Field(default={})

    @field_validator("methods")
    @classmethod
    def _every_strategy(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        groups = {"*": tuple(STRATEGIES.own), "default": (DEFAULT_STRATEGY,)}
        named = [groups.get(method, (method,)) for method in methods]
        return tuple(dict.fromkeys(method for some in named for method in some))

    @model_validator(mode="after")
    def _known(self) -> Experiment:
        for method in self.methods:
            needs(method)
        shares = [own_share(pool) for pool in self.pools]
        if self.axis == "own-share" and None in shares:
            raise ValueError(
                f"pools over an axis of own-share are shares such as 2.4%, not {', '.join(self.pools)}"
            )
        for data in self.data:
            known = [domain.name for domain in find(data.name).domains]
            if unknown := set(data.domains) - set(known):
                raise ValueError(f"{data.name} has no domain {unknown.pop()!r}: choose {', '.join(known)}")
            if self.job and find(data.name).encoder not in ("hog", "efficientnet-lite0"):
                raise ValueError(f"the jobs train on images, and {data.name} has none")
        if self.job and self.job not in JOBS:
            raise ValueError(f"there is no job {self.job!r}: choose {', '.join(JOBS)}")
        if self.job and (others := set(self.methods) & set(ALTERNATIVES)):
            raise ValueError(f"{others.pop()!r} picks no items that a job could be done with")
        if WEIGHTED in self.methods and self.job not in FREE_LABELS:
            raise ValueError(f"{WEIGHTED!r} is for where labels cost nothing: not for the job {self.job!r}")
        return self

    def of(self, name: str) -> Data:
        """The entry of a data set."""
        return next(data for data in self.data if data.name == name)

    @property
    def pools_together(self) -> tuple[tuple[PoolKind, ...], ...]:
        """Pools that one table and one figure show: those of an axis of own-share side by side, others each for itself."""
        return (self.pools,) if self.axis == "own-share" else tuple((pool,) for pool in self.pools)

    def groups(self) -> Iterator[Group]:
        """All groups, seeds outermost, so that a run that was stopped has whole seeds."""
        for seed in self.seeds:
            for data in self.data:
                for private in data.domains or [domain.name for domain in find(data.name).domains]:
                    for pool in self.pools:
                        yield Group(data.name, private, seed, pool)

    def cells(self, group: Group) -> list[Cell]:
        """The cells of a group, each once."""
        found: dict[Cell, None] = {}
        for method in self.methods:
            need = needs(method)
            for budget in self.of(group.data_set).budgets if need.budget else (None,):
                for clusters in self._clusters(need, self.of(group.data_set)):
                    for message in self.messages if need.message else (None,):
                        for epsilon in self.epsilons if need.epsilon else (None,):
                            dim, dtype = (message.dim, message.dtype) if message else (None, None)
                            found[Cell(group, method, budget, clusters, dim, dtype, epsilon)] = None
        return list(found)

    def _clusters(self, need: Needs, data: Data) -> tuple[int | None, ...]:
        if not need.message:
            return (None,)
        return (need.clusters,) if need.clusters else data.clusters or self.clusters
