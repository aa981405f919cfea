"""What each data set loses to keeping its groups, and near-duplicates, on one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxyset_lab.data.registry import find
from proxyset_lab.features import Features
from proxyset_lab.origin import origin
from proxyset_lab.sides import Sides, sides
from proxyset_lab.tables import Table, markdown

_COLUMNS = ("data", "items", "groups", "test", "client", "own, public", "others, public", "lost by group", "near-duplicate from",
            "lost as near-duplicates")  # fmt: skip


def page(names: Sequence[str]) -> str:
    """The page, over all private domains of each data set with seed 0, at full size."""
    rows = tuple(_row(name) for name in names)
    note = (
        "Means over private domains, seed 0, all items. Lost by group: items of other domains whose group (a review, an editorial, "
        "a date, a thing, a face of type, a module) the client or the test items have. Near-duplicates, by equal content or by "
        "the cosine of their features, stay with the test items, else with the client; the cosine is the one that one item in a "
        "thousand reaches with an item of another label. Tables have equal rows alone. Who wrote a handwritten digit, and which "
        "film review a sentence is of, the data do not say: there each item is its own group."
    )
    text = markdown(Table("Items of each side, and items that are on none", _COLUMNS, rows, note))
    told = f"Rows of {origin()}. Written by `proxyset-lab left-out`; do not edit."
    return f"# What splits by group leave out\n\n{told}\n\n{text}\n"


def _row(name: str) -> tuple[str, ...]:
    features = Features.of(find(name))
    groups = None if features.groups is None else [str(group) for group in features.groups]
    domains = [str(domain) for domain in features.domains]
    made = [sides(domains, d.name, 0, groups=groups, twins=features.twins) for d in find(name).domains]

    def mean(count: str) -> str:
        return f"{np.mean([_count(one, count) for one in made]):,.0f}"

    threshold = features.twins.threshold
    return (
        name,
        f"{len(domains):,}",
        f"{len(set(groups)) if groups else len(domains):,}",
        *map(mean, ("test", "client", "in_distribution", "others", "lost_groups")),
        "" if threshold is None else f"{threshold:.4f}",
        mean("lost_twins"),
    )


def _count(made: Sides, name: str) -> int:
    value = getattr(made, name)
    return value if isinstance(value, int) else len(value)
