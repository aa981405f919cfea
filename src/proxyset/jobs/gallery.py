"""A proxy set to look at: what was picked and why, beside what chance would have picked. One HTML file that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from proxyset.cloud.proxy_set import Beside, ProxySet
from proxyset.encoders.drawn import drawn
from proxyset.errors import InvalidInput
from proxyset.page.document import Document, data_uri, document
from proxyset.page.wording import in_words

SHOWN = 120  # items, unless asked otherwise
_SIDE = 96  # pixels of a picture
_TEXT = 300  # characters of what is no picture
_CLUSTERS = 16  # that are compared one by one
_GROUPS = 16  # labels, or sources
_OF_EACH = 5  # pictures of a cluster
# the words that our strategies give as reasons, and what their scores are; another strategy's words speak for themselves
_MEANT = {
    "density": "the answers say how much commoner such items are among the owners’ records than in the pool. The score is the "
    "logarithm of that, up to a constant: 0.7 more is twice as much",
    "covered": "the cluster’s turn, by its share of the answers, which is the score",
    "fill": "the answers spoke for no more items, so the rest came from the pool as it is",
    "represents": "it stands for the items around it that the answers point at. The score is what it added to that",
    "farthest": "the farthest from all items picked before, at the distance that is the score",
    "random": "by chance",
}


@dataclass(frozen=True)
class Shown:
    """An item on the page: its row in the selection or the sample, and its picture as a data URI, or else its words."""

    row: dict[str, Any]
    picture: str
    words: str


@dataclass(frozen=True)
class Group:
    """A cluster, a label or a source.

    Attributes:
        name: of it.
        picked: items of the set in it.
        shares: of the pool (for labels and sources: of the random sample), of the answers (None where they say nothing of it),
            and of the set.
        widths: of their bars, 0 … 100.
        items: some of those picked.
    """

    name: str
    picked: int
    shares: tuple[float, float | None, float]
    widths: tuple[float, ...]
    items: tuple[Shown, ...] = ()


def gallery(proxy: ProxySet, first: int = SHOWN) -> Document:
    """The page.

    Args:
        proxy: whose.
        first: how many of its items are shown, in order of rank, at least 1.

    Raises:
        InvalidInput: `first` is below 1. ArtifactError: the proxy set is damaged.
    """
    if first < 1:
        raise InvalidInput(f"at least one item is shown; {first} were asked for")
    rows = proxy.selection().to_pylist()
    picked = list(_shown(rows, proxy.items(), first))
    beside = proxy.beside()
    sample = beside.sample.to_pylist() if beside else []
    chance = list(_shown(sample, proxy.random_items(), first)) if beside else []
    return document(
        "proxyset.jobs",
        "gallery.html.j2",
        "gallery.css",
        card=proxy.card,
        rows=rows,
        picked=picked,
        chance=chance,
        sampled=len(sample),
        by_chance=_touched(beside, len(rows)) if beside else None,
        clusters=_clusters(rows, picked, beside) if beside else [],
        asked=beside is not None and beside.clusters.column("count").null_count == 0,
        labels=_groups("label", rows, sample),
        sources=_groups("source", rows, sample),
        reasons=[
            (reason, number, _MEANT.get(reason, ""))
            for reason, number in Counter(row["reason"] for row in rows).most_common(_GROUPS)
        ],
        licences=Counter(row["licence"] for row in rows if row["licence"] is not None).most_common(_GROUPS),
    )


def _shown(rows: Sequence[dict[str, Any]], items: Iterator[Any], first: int) -> Iterator[Shown]:
    for row, item in zip(rows, islice(items, first), strict=False):  # more rows than items: the sample's tail
        png = drawn(item, _SIDE) if isinstance(item, bytes) else None
        yield Shown(row, data_uri(png) if png else "", in_words(item, _TEXT))


def _touched(beside: Beside, items: int) -> float:
    """In how many clusters as many items by chance would lie, on average; as if each were put back."""
    sizes = beside.clusters.column("pool").to_numpy()
    return float((1 - (1 - sizes / sizes.sum()) ** items).sum())


def _clusters(rows: Sequence[dict[str, Any]], picked: Sequence[Shown], beside: Beside) -> list[Group]:
    """The clusters that the set takes most from."""
    sizes = beside.clusters.column("pool").to_numpy()
    counts = np.array(beside.clusters.column("count").to_pylist(), float)  # NaN without a release
    counts = np.maximum(counts, 0) / max(float(np.nansum(np.maximum(counts, 0))), 1.0)
    groups = []
    for cluster, number in Counter(row["cluster"] for row in rows).most_common(_CLUSTERS):
        asked = None if np.isnan(counts[cluster]) else float(counts[cluster])
        items = tuple(item for item in picked if item.row["cluster"] == cluster)[:_OF_EACH]
        shares = (float(sizes[cluster] / sizes.sum()), asked, number / len(rows))
        groups.append(Group(str(cluster), number, shares, _widths(shares), items))
    return groups


def _groups(column: str, rows: Sequence[dict[str, Any]], sample: Sequence[dict[str, Any]]) -> list[Group]:
    """The pool's own labels or sources, those that the set takes most from; nothing where it names none."""
    chosen, random = (Counter(row[column] for row in some) for some in (rows, sample))
    groups = []
    for name, number in chosen.most_common(_GROUPS):
        if name is not None and sample:
            shares = (random[name] / len(sample), None, number / len(rows))
            groups.append(Group(name, number, shares, _widths(shares)))
    return groups


def _widths(shares: Sequence[float | None]) -> tuple[float, ...]:
    largest = max(share or 0 for share in shares)
    return tuple(100 * (share or 0) / largest for share in shares)
