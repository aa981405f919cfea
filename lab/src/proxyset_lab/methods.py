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


HOME = "the client alone"
_REHEARSED = "; of two public sites, all, to choose settings on"


@dataclass(frozen=True)
class Needs:
    """What a method's number depends on, and what a reader must know about it.

    Attributes:
        name: of the strategy, baseline or alternative.
        labels: how many it needs, and whose.
        sees: who has private items, or what is made of them without noise, in the clear.
        leaves: what leaves the client.
        budget: whether it picks (or has labelled) that many public items.
        epsilon: whether it spends privacy.
        message: whether it depends on a probe: R, dimensions and number format.
        clusters: an R of its own.
        clear: whether private data goes in without noise.
        sources: whether the pool names the domain of each of its items (not: which of them is the client's).
        assumes: what else it takes for granted, beyond unlabelled private items.
    """

    name: str
    labels: str
    sees: str
    leaves: str
    budget: bool = True
    epsilon: bool = False
    message: bool = False
    clusters: int | None = None
    clear: bool = False
    sources: bool = False
    assumes: str = ""


_PICKED = "budget, public"
BASELINES = {
    method.name: method
    for method in (
        Needs(
            "mak", _PICKED, "the cloud", "all private features", clear=True,
            assumes="an oracle: NOT PRIVATE",
        ),
        Needs("local", "all of the client's", HOME, "nothing", budget=False, assumes="the client trains"),
        Needs(
            "all-id", "all public ones of the client's kind", HOME, "nothing", budget=False,
            assumes="somebody knows which pool items are of the client's kind (the paper's ceiling)",
        ),
        Needs("whole-pool", "all of the pool", HOME, "nothing", budget=False),
        Needs(
            WEIGHTED, "all of the pool", HOME, "noisy counts", budget=False, epsilon=True, message=True,
            assumes="labels cost nothing; each item counts by the density ratio",
        ),
        Needs(
            "zero-shot", "all of the pool but those of the client's kind", HOME, "nothing", budget=False,
            assumes="a model of the other sites, applied as it is: what there was before this client came",
        ),
        Needs(
            f"random-{MANY}", f"{MANY:,} random ones of the pool, or all of a smaller one", HOME, "nothing",
            budget=False,
        ),
        *(
            Needs(
                f"own-{count}", f"{count} of the client's", HOME, "nothing", budget=False,
                assumes="the client labels records of its own, and trains",
            )
            for count in OWN
        ),
    )
}  # fmt: skip
ALTERNATIVES = {
    method.name: method
    for method in (
        Needs(
            "dp-sgd", "all of the client's" + _REHEARSED, HOME, "a noisy model", budget=False, epsilon=True,
            assumes="the client trains",
        ),
        Needs(
            "dp-sgd-public", "all of the client's; budget, public and random" + _REHEARSED, HOME, "a noisy model",
            epsilon=True, assumes="the client trains, from a model of the public items",
        ),
        Needs(
            "dp-sgd-whole", "all of the client's; all of the pool" + _REHEARSED, HOME, "a noisy model",
            budget=False, epsilon=True, assumes="the client trains, from a model of the whole pool",
        ),
        Needs(
            "dp-newton", "all of the client's; all of the pool" + _REHEARSED, HOME, "noisy sums of gradients",
            budget=False, epsilon=True, assumes="the client computes gradients at a model of the whole pool",
        ),
        Needs(
            "dp-fedavg", "each participant's own" + _REHEARSED,
            "an aggregator, which all trust, each update or (by secure sums) their sum",
            "an update of the model in each round a participant is in, without noise", budget=False, epsilon=True,
            assumes="a record a participant; all are there in every round; the aggregator adds the noise",
        ),
        Needs(
            "dp-fedavg-public", "each participant's own; budget, public and random" + _REHEARSED,
            "as dp-fedavg", "as dp-fedavg", epsilon=True,
            assumes="as dp-fedavg, from a model of the public items",
        ),
        Needs(
            "private-evolution", _PICKED, HOME, "noisy counts in each round", epsilon=True,
            assumes="the client answers in rounds",
        ),
        Needs(
            "dp-classifier", _PICKED + _REHEARSED, HOME, "a noisy linear classifier", epsilon=True,
            assumes="the client fits the classifier, on public features that it downloads",
        ),
        Needs(
            "upload", "all of the client's; all public ones of its kind", "the cloud", "all items and labels",
            budget=False, clear=True, assumes="NOT PRIVATE (a ceiling)",
        ),
    )
}  # fmt: skip


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
    leaves = "counts without noise" if clear else "noisy counts" if asks else "nothing"
    return Needs(
        match["name"],
        _PICKED,
        "the cloud, counts" if clear else HOME,
        leaves,
        epsilon=asks and not clear,
        message=asks or match["name"] == "uniform-cluster",
        clusters=clusters,
        clear=clear,
        sources=sources,
        assumes="; ".join([CLEAR] * clear + [SOURCES] * sources),
    )
