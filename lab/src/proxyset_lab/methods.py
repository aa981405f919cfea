"""The methods of a benchmark by name, and what each depends on and assumes.

A selection strategy goes by its own name, or as "package.module:Class"; "ecos:clear" is the strategy on counts without noise,
"ecos@50" with R = 50, "density-ratio:sources" the strategy on a pool that names the source (here: the domain) of its items.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from proxyset.cloud.select import STRATEGIES
from proxyset.errors import InvalidInput

_NAME = re.compile(
    r"(?P<name>[a-z][a-z0-9-]*|[a-zA-Z_][\w.]*:[A-Z]\w*)(?P<clear>:clear)?(?P<sources>:sources)?(?:@(?P<clusters>[1-9][0-9]*))?"
)
OWN = (50, 100, 200, 300)  # labels of one's own
MANY = 8000  # random items, labelled
WEIGHTED = "pool-weighted"
CLEAR = "without noise: NOT PRIVATE"
SOURCES = "the pool names the domain of each item, not which is the client's"


@dataclass(frozen=True)
class Needs:
    """What a method's number depends on, and what a reader must know about it.

    Attributes:
        name: of the strategy, baseline or alternative.
        budget: whether it picks (or has labelled) that many public items.
        epsilon: whether it spends privacy.
        message: whether it depends on a probe: R, dimensions and number format.
        clusters: an R of its own.
        clear: whether private data goes in without noise.
        sources: whether the pool names the domain of each of its items (not: which of them is the client's).
        assumes: what it takes for granted, beyond unlabelled private items.
    """

    name: str
    budget: bool = True
    epsilon: bool = False
    message: bool = False
    clusters: int | None = None
    clear: bool = False
    sources: bool = False
    assumes: str = ""


BASELINES = {
    method.name: method
    for method in (
        Needs("mak", clear=True, assumes="private features in the clear: NOT PRIVATE (oracle)"),
        Needs("local", budget=False, assumes="labels on the client; nothing leaves it"),
        Needs(
            "all-id",
            budget=False,
            assumes="knows which pool items are of the client's kind; labels all of them",
        ),
        Needs("whole-pool", budget=False, assumes="labels the whole pool"),
        Needs(
            WEIGHTED,
            budget=False,
            epsilon=True,
            message=True,
            assumes="labels the whole pool, each item counts by the density ratio: for where labels cost nothing",
        ),
        Needs(
            f"random-{MANY}",
            budget=False,
            assumes=f"labels {MANY:,} random pool items (all of a smaller pool)",
        ),
        *(
            Needs(
                f"own-{count}",
                budget=False,
                assumes=f"the client labels {count} records of its own, and trains",
            )
            for count in OWN
        ),
    )
}
ALTERNATIVES = {
    method.name: method
    for method in (
        Needs("dp-sgd", budget=False, epsilon=True, assumes="labels on the client, which trains"),
        Needs(
            "dp-sgd-public",
            epsilon=True,
            assumes="labels on the client, which trains, from a model of `budget` labelled random pool items",
        ),
        Needs(
            "dp-sgd-whole",
            budget=False,
            epsilon=True,
            assumes="labels on the client, which trains, from a model of the whole labelled pool",
        ),
        Needs(
            "dp-newton",
            budget=False,
            epsilon=True,
            assumes="labels on the client; one message of gradients at a model of the whole labelled pool",
        ),
        Needs(
            "dp-fedavg",
            budget=False,
            epsilon=True,
            assumes="labels on the participants, one record each; a trusted aggregator adds the noise",
        ),
        Needs(
            "dp-fedavg-public",
            epsilon=True,
            assumes="as dp-fedavg, from a model of `budget` labelled random pool items",
        ),
        Needs("private-evolution", epsilon=True, assumes="rounds of questions to the client"),
        Needs(
            "dp-classifier",
            epsilon=True,
            assumes="the client fits the classifier, on public features it downloads",
        ),
        Needs(
            "upload",
            budget=False,
            clear=True,
            assumes="private items and their labels leave the client: NOT PRIVATE (ceiling)",
        ),
    )
}


def needs(method: str) -> Needs:
    """What a method of that name needs.

    Raises:
        InvalidInput: there is none.
    """
    if method in BASELINES:
        return BASELINES[method]
    if method in ALTERNATIVES:
        return ALTERNATIVES[method]
    match = _NAME.fullmatch(method)
    if match is None or not (match["name"] in STRATEGIES.names() or ":" in match["name"]):
        known = ", ".join([*STRATEGIES.names(), *BASELINES, *ALTERNATIVES])
        raise InvalidInput(
            f"unknown method {method!r}: choose {known}, or a strategy as package.module:Class; a strategy may carry "
            "':clear' (no noise), ':sources' and '@R'"
        )
    asks = STRATEGIES.load(match["name"]).needs_release
    clear = match["clear"] is not None
    if not asks and (clear or match["clusters"]):
        raise InvalidInput(f"{match['name']!r} asks the client nothing, so {method!r} has no meaning")
    clusters = int(match["clusters"]) if match["clusters"] else None
    sources = match["sources"] is not None
    if sources and match["name"] != "density-ratio":
        raise InvalidInput(f"{match['name']!r} does not look at sources, so {method!r} has no meaning")
    return Needs(
        match["name"],
        epsilon=asks and not clear,
        message=asks or match["name"] == "uniform-cluster",
        clusters=clusters,
        clear=clear,
        sources=sources,
        assumes="; ".join([CLEAR] * clear + [SOURCES] * sources),
    )
