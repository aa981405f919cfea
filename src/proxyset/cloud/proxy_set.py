"""The proxy set: chosen public items, why they were chosen, and a card that says where they come from.

PROXY/selection.parquet    id, cluster, rank, score, reason, label, source, uri, licence, hash
PROXY/items/               the items themselves, as files (images), items.jsonl (texts), items.parquet (rows), or
                           embeddings.npy, in order of rank
PROXY/beside/              what to hold it against: items of the pool at random, and the clusters (`Beside`)
PROXY/card.json, card.md   what was asked, from which index and releases, what it contains
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from proxyset.bars import bars, shown
from proxyset.cloud.card import Card
from proxyset.cloud.curation import Curated, Curation, Public, curate, named, reference_coverage
from proxyset.cloud.executor import Executor
from proxyset.cloud.index import Index
from proxyset.cloud.item_files import item_sha256, joined, read_items, write_items
from proxyset.cloud.one_thread import one_thread
from proxyset.cloud.own_share import own_share_at_most
from proxyset.cloud.scratch import goes_with, scratch
from proxyset.cloud.select import (
    DEFAULT_RULE,
    DEFAULT_STRATEGY,
    MAX_WEIGHT,
    Ranked,
    Rule,
    Strategy,
    rank,
)
from proxyset.cloud.select.draw import draw_evenly
from proxyset.cloud.select.limits import Limits
from proxyset.cloud.store import Place, StorePath, copy, new_folder
from proxyset.cloud.store import place as located
from proxyset.errors import ArtifactError, InvalidInput, needing
from proxyset.sources.files import check_apart
from proxyset.wire.lineage import Draw, Lineage
from proxyset.wire.release import PrivacyStatement, Release

if TYPE_CHECKING:
    from proxyset.cloud.torch_dataset import ProxyDataset

_SAMPLE = 1000  # rows of the pool at random, of which it is kept what they are
_SHOWN = 60  # of them that are kept themselves
_BESIDE = "beside"


@dataclass(frozen=True)
class Beside:
    """What a proxy set is held against.

    Attributes:
        sample: id, cluster, label, source, file of at most 1,000 items of the pool, drawn uniformly and in no order. The first
            60 are kept themselves.
        clusters: cluster, pool (items in it), count (what the releases say together, noise and all; null without a release).
    """

    sample: pa.Table
    clusters: pa.Table


@dataclass(frozen=True, repr=False)
class ProxySet:
    """A proxy set.

    Attributes:
        folder: where it lies; a scratch folder, which goes with the proxy set, if it was drawn without one or copied.
        card: what it is.
        origin: URL of the place on object storage that it was copied from; "" for none.
    """

    folder: Path
    card: Card
    origin: str = ""

    @property
    def place(self) -> str:
        """Where it lies, for people."""
        return self.origin or str(self.folder)

    @classmethod
    def open(cls, folder: str | os.PathLike[str] | Place) -> ProxySet:
        """Open a proxy set; one on object storage is copied to a scratch folder, which goes with it.

        Raises:
            ArtifactError: there is none, or it is damaged or of another version.
        """
        where = located(folder)
        path = where / "card.json"
        if not path.is_file():
            raise ArtifactError(f"{folder} is not a proxy set: it has no card.json")
        if isinstance(where, StorePath):
            with scratch() as here:
                copy(where, here)
                proxy = replace(cls.open(here), origin=str(where))
            goes_with(proxy, here)
            return proxy
        try:
            return cls(where, Card.model_validate_json(path.read_bytes()))
        except ValueError as error:
            raise ArtifactError(f"{path} is damaged or of another version: {error}") from None

    def __len__(self) -> int:
        return self.card.items

    def __repr__(self) -> str:
        return f"<ProxySet of {self._what()}>"

    def _repr_html_(self) -> str:
        card = self.card
        counts = Counter(self.selection().column("cluster").to_pylist())
        picture = bars([counts[cluster] for cluster in range(card.clusters)], "chosen items of each cluster")
        facts = [f"The choice saw {card.lineage.words()}."]
        return shown(
            f"Proxy set of {self._what()}",
            facts,
            picture,
            "One bar a cluster: how many of its items were chosen.",
        )

    def _what(self) -> str:
        card = self.card
        return (
            f"{card.items:,} of {card.pool_items:,} {card.kind} items by {card.strategy}, "
            f"from {card.clusters_covered:,} of {card.clusters:,} clusters"
        )

    def selection(self) -> pa.Table:
        """selection.parquet, in order of rank."""
        try:
            return pq.read_table(self.folder / "selection.parquet")
        except (OSError, pa.ArrowInvalid) as error:
            raise ArtifactError(f"{self.folder}/selection.parquet is missing or damaged: {error}") from None

    def ids(self) -> list[str]:
        """Names of the items in the pool, in order of rank."""
        return list(self.by_id("id"))

    def by_id(self, column: str) -> dict[str, Any]:
        """A column of the selection: name of the item → its value, in order of rank."""
        selection = self.selection()
        ids, values = (selection.column(name).to_pylist() for name in ("id", column))
        return dict(zip(ids, values, strict=True))

    def items(self) -> Iterator[Any]:
        """The items in order of rank: image bytes, texts, one-row tables, or (d,) arrays.

        Raises:
            ArtifactError: an item is missing, or is not the one that was chosen.
        """
        found = read_items(self.folder / "items", self.card.kind, self.selection())
        for name, known in self.by_id("hash").items():
            item = next(found, None)
            if item is None or item_sha256(item) != known:
                raise ArtifactError(
                    f"{self.folder}/items: the item {name!r} is {'missing' if item is None else 'not the one that was chosen'}: "
                    "the folder was changed since; select again"
                )
            yield item

    def beside(self) -> Beside | None:
        """What to hold it against; None for a set that was drawn before this was kept.

        Raises:
            ArtifactError: it is damaged.
        """
        folder = self.folder / _BESIDE
        if not folder.exists():
            return None
        try:
            return Beside(*(pq.read_table(folder / f"{name}.parquet") for name in ("sample", "clusters")))
        except (OSError, pa.ArrowInvalid) as error:
            raise ArtifactError(f"{folder} is damaged: {error}. Draw the set again") from None

    def random_items(self) -> Iterator[Any]:
        """The first 60 of the random sample, as `items` gives them. There must be a sample."""
        folder = self.folder / _BESIDE
        return read_items(folder / "items", self.card.kind, pq.read_table(folder / "sample.parquet"))

    def to_arrow(self) -> pa.Table:
        """The selection with its items, in order of rank.

        The items are in the column "image" (file bytes), "text" or "embedding"; a table's cells in its own columns. A column of
        the selection whose name the table has, too, is called `proxyset_…`.
        """
        return joined(self.selection(), list(self.items()), self.card.kind)

    def to_pandas(self) -> Any:
        """The same as a pandas frame.

        Raises:
            MissingExtra: pandas is not installed.
        """
        with needing("notebook", "data frames"):
            return self.to_arrow().to_pandas()

    def to_torch(self, transform: Callable[[Any], Any] | None = None) -> ProxyDataset:
        """A torch Dataset of (item, class) in order of rank; see `torch_dataset.ProxyDataset`.

        Args:
            transform: applied to each item, as torchvision's are: a PIL picture, a text, a float32 tensor or a mapping.

        Raises:
            MissingExtra: torch is not installed.
        """
        with needing("train", "torch data sets"):
            from proxyset.cloud.torch_dataset import ProxyDataset
        return ProxyDataset(self, transform)

    def to_huggingface(self) -> Any:
        """A Hugging Face Dataset with the columns of `to_arrow`; pictures are decoded when they are looked at.

        Raises:
            MissingExtra: datasets is not installed.
        """
        with needing("notebook", "Hugging Face data sets"):
            from datasets import Dataset, Image
            from datasets.table import InMemoryTable
        found = Dataset(InMemoryTable(self.to_arrow()))
        return found.cast_column("image", Image()) if self.card.kind == "image" else found

    def save(self, folder: str | os.PathLike[str] | Place) -> ProxySet:
        """Keep it in a folder, new or empty, or on object storage: for a proxy set that was drawn without one.

        Raises:
            FileExistsError: `folder` is not empty.
        """
        where = located(folder)
        with new_folder(where, "card.json") as new:
            copy(self.folder, new)
        return replace(self, folder=where) if isinstance(where, Path) else self


@one_thread()
def select(
    index: Index,
    releases: Release | Sequence[Release],
    out: str | os.PathLike[str] | Place | None = None,
    *,
    budget: int,
    strategy: str | Strategy = DEFAULT_STRATEGY,
    seed: int = 0,
    max_weight: float = MAX_WEIGHT,
    metadata: bool = True,
    rule: Rule = DEFAULT_RULE,
    reference: Public | None = None,
    curation: Curation | None = None,
    executor: Executor | None = None,
) -> ProxySet:
    """Draw a proxy set from an index.

    Args:
        index: the index whose probes were answered.
        releases: one or more, or their files (`releases.ReleaseFiles`); may be empty for strategies that ask the client
            nothing.
        out: folder, or its URL on object storage:
            new, empty, or of this same proxy set, which is then opened. None for a scratch folder that goes with the
            proxy set; `ProxySet.save` keeps it.
        budget: number of items; the whole pool when that is smaller.
        strategy: a name ("density-ratio", "ecos", "facility-location", "random", "k-center", "uniform-cluster", or one that an
            installed package offers), "module:Class", or an object (`select.strategy.Strategy`).
        seed: of the strategy's own randomness.
        max_weight: with three releases or more, the most that one may weigh, in medians (`select.combine`).
        metadata: let "density-ratio" tell items apart by the sources and labels that the pool itself names, where
            the release shows that they matter.
        rule: how releases of several clients are added up: "capped", "robust" or "sum" (`select.combine`).
        reference: instead of releases, a public set of items like those that are wanted; no privacy is spent.
        curation: licences, least shares, an earlier selection, sets that must stay out (`curation.Curation`).
        executor: where shards are read and weighed; this process by default. The answer is the same.

    Raises:
        InvalidInput: budget < 1, max_weight < 1, unknown strategy or rule, a release of another index, two of one client, or
            none where one is needed; both releases and a reference; what `curation.curate` cannot do; `out` lies in the pool.
        ArtifactError: the index is damaged, or a release's receipt is not its own.
        FileExistsError: `out` holds something else.
    """
    if out is not None:
        out = located(out)
        check_apart(out, index.manifest.pool)
    found = [releases] if isinstance(releases, Release) else releases
    if reference is not None and found:
        raise InvalidInput(
            f"{len(found)} releases and the reference {named(reference)} were given: one of the two says what is wanted"
        )
    answers = found if reference is None else reference_coverage(index, reference)
    pool = index.candidates(metadata, executor)
    limits: Limits | None = None
    curated: Curated | None = None
    if curation:
        limits, curated = curate(index, pool, curation)
    ranked = rank(
        pool,
        answers,
        budget,
        strategy,
        seed,
        max_weight=max_weight,
        rule=rule,
        limits=limits,
    )
    table = index.rows(ranked.rows, ["id", "label", "source", "uri", "licence"])
    count, weighed = len(ranked.rows), ranked.weighed
    draws = weighed.draws if weighed else []
    card = Card(
        items=count,
        requested=budget,
        pool=index.manifest.pool,
        pool_items=len(index),
        kind=index.manifest.kind,
        strategy=ranked.strategy,
        seed=seed,
        index=index.fingerprint,
        encoder=index.manifest.encoder.name,
        releases=[draw.release for draw in draws],
        lineage=Lineage.of(draws),
        combined=rule,
        weights=weighed.weights.tolist() if weighed else [],
        clusters_covered=len(np.unique(ranked.clusters)),
        clusters=index.manifest.clusters,
        metadata=list(ranked.groupings),
        reference=None if reference is None else named(reference),
        curated=curated,
        own_share_at_most=_own_share(ranked, draws),
    )
    if out is None:
        with scratch() as place:
            proxy = _written(place / "proxy", index, table, card, ranked, limits)
        goes_with(proxy, place)
        return proxy
    if (out / "card.json").is_file():
        return _same(ProxySet.open(out), card, table)
    return _written(out, index, table, card, ranked, limits)


def _own_share(ranked: Ranked, draws: Sequence[Draw]) -> float | None:
    """The bound on the pool's share of the clients' kind, where counts are of records: a person's many are not independent."""
    records = all(isinstance(d.privacy, PrivacyStatement) and d.privacy.unit == "record" for d in draws)
    if not draws or not records or ranked.coverage is None:
        return None
    return own_share_at_most(ranked.pool, ranked.coverage)


def _same(proxy: ProxySet, card: Card, table: pa.Table) -> ProxySet:
    """The proxy set that is there, if it is the one that would be written."""
    old, new = (
        one.model_dump(exclude={"own_share_at_most"}) for one in (proxy.card, card)
    )  # that follows from the rest
    if old == new and proxy.selection().column("id").to_pylist() == table.column("id").to_pylist():
        return proxy
    changes = [f"{name} was {old[name]!r}, now {new[name]!r}" for name in new if old[name] != new[name]]
    words = "; ".join(change[:200] for change in changes[:3]) or "other items"
    raise FileExistsError(
        f"{proxy.folder} holds another proxy set ({words}): choose another folder or remove it"
    )


def _written(
    out: Place, index: Index, table: pa.Table, card: Card, ranked: Ranked, limits: Limits | None
) -> ProxySet:
    with new_folder(out, "card.json") as folder:
        files, hashes = write_items(folder / "items", index, table)
        selection = pa.table(
            {
                "id": table.column("id"),
                "cluster": pa.array(ranked.clusters, pa.int32()),
                "rank": pa.array(range(card.items), pa.int32()),
                "score": pa.array(ranked.scores, pa.float64()),
                "reason": pa.array(ranked.reasons, pa.string()),
                **{name: table.column(name) for name in ("label", "source", "uri", "licence")},
                "hash": pa.array(hashes, pa.string()),
                "file": pa.array(files, pa.string()),
            }
        )
        pq.write_table(selection, folder / "selection.parquet")
        (folder / "card.json").write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / "card.md").write_text(card.markdown(selection), encoding="utf-8")
        _write_beside(folder / _BESIDE, index, ranked, limits, card.seed)
    return ProxySet(out, card) if isinstance(out, Path) else ProxySet.open(out)


def _write_beside(folder: Path, index: Index, ranked: Ranked, limits: Limits | None, seed: int) -> None:
    """A uniform sample of what could have been chosen, and the clusters with what was asked of them."""
    folder.mkdir()
    pool, rng = ranked.pool, np.random.default_rng([seed, 5])
    rows = limits.open_rows(len(pool)) if limits else None
    chosen = draw_evenly(len(pool) if rows is None else len(rows), _SAMPLE, rng)
    chosen = chosen if rows is None else rows[chosen]
    table = index.rows(chosen, ["id", "label", "source"])
    files, _ = write_items(folder / "items", index, table.slice(0, _SHOWN))
    files += [None] * (len(table) - len(files))
    sample = table.drop_columns(["shard"])
    sample = sample.append_column("cluster", pa.array(pool.clusters_of(chosen), pa.int32()))
    pq.write_table(sample.append_column("file", pa.array(files, pa.string())), folder / "sample.parquet")
    counts = [None] * len(pool.sizes) if ranked.coverage is None else ranked.coverage.counts
    clusters = {
        "cluster": pa.array(range(len(pool.sizes)), pa.int32()),
        "pool": pa.array(pool.sizes, pa.int64()),
        "count": pa.array(counts, pa.float64()),
    }
    pq.write_table(pa.table(clusters), folder / "clusters.parquet")
