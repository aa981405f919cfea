"""The card of a proxy set: what was asked, from which index and releases, what it contains; for machines and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from proxyset.cloud.curation import Curated
from proxyset.cloud.own_share import own_share_words
from proxyset.cloud.select import DEFAULT_RULE, Rule
from proxyset.sources.source import Kind
from proxyset.wire.lineage import Lineage

_NAMED = 20  # releases that card.md describes one by one


class Card(BaseModel):
    """What a proxy set is, for whoever finds the folder.

    Attributes:
        items, requested: rows in it, and the budget that was asked for (less when the pool is smaller).
        index, releases: fingerprints, releases in the order they were given.
        lineage: what the choice has seen: the releases. Selection adds nothing to them.
        combined: how releases were added up (`select.combine`).
        weights: what each release counted: 1, or less where one was too heavy or too noisy among three or more.
        metadata: columns of the pool that the strategy could look at.
        reference: the public set that took the place of releases, if one did.
        curated: what was asked of the choice beside a budget, and what it did.
        own_share_at_most: the most of the pool that can be of the clients' kind (`own_share`); None without releases of records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal["proxyset.proxy-set/2"] = "proxyset.proxy-set/2"
    items: int
    requested: int
    pool: str
    pool_items: int
    kind: Kind
    strategy: str
    seed: int
    index: str
    encoder: str
    releases: list[str]
    lineage: Lineage
    combined: Rule = DEFAULT_RULE
    weights: list[float] = []
    clusters_covered: int
    clusters: int
    metadata: list[str] = []
    reference: str | None = None
    curated: Curated | None = None
    own_share_at_most: float | None = None

    def markdown(self, selection: pa.Table) -> str:
        """The same for people: self.md. `selection` is the set's table, of which sources, licences and labels are counted."""
        lines = [
            f"# Proxy set of {self.items:,} items",
            "",
            f"Drawn from a public pool of {self.pool_items:,} items ({self.kind}) with the strategy `{self.strategy}`, seed "
            f"{self.seed}, encoder `{self.encoder}`. It touches {self.clusters_covered} of {self.clusters} clusters.",
            "",
            "Rows of `selection.parquet` are ranked: the first k rows are the proxy set for a budget of k.",
            "",
            f"Index `{self.index}`.",
            "",
            "## Privacy",
            "",
        ]
        lines += [
            f"The choice saw {self.lineage.words()}. Drawing a set from answers costs nothing more.",
            "",
        ]
        if self.reference is not None:
            lines += [
                f"No client was asked: items like those of the public set `{self.reference}` were wanted.",
                "",
            ]
        if len(self.releases) > 1:
            lines += [f"{len(self.releases):,} releases were combined (`{self.combined}`).", ""]
        draws = {draw.release: draw for draw in self.lineage.draws}
        named = list(zip(self.releases, self.weights or [1.0] * len(self.releases), strict=True))
        for release, weight in named[:_NAMED]:
            scaled = f" It was scaled to {weight:.3g} of its counts." if weight < 1 else ""
            lines.append(f"* {draws[release].words()}.{scaled}")
        if len(named) > _NAMED:
            lines.append(f"* {len(named) - _NAMED:,} more: `card.json` has them all.")
        if words := own_share_words(self.own_share_at_most):
            lines += ["", words]
        if self.curated is not None:
            lines += ["", "## Curation", "", *_curation(self.curated)]
        for title, column in (("Sources", "source"), ("Licences", "licence"), ("Labels", "label")):
            values = Counter(value for value in selection.column(column).to_pylist() if value is not None)
            lines += ["", f"## {title}", ""]
            lines += [f"* {value}: {number:,}" for value, number in values.most_common(50)] or [
                f"The pool names none: check the terms of {self.pool} yourself."
                if column == "licence"
                else "The pool names none."
            ]
        return "\n".join(lines) + "\n"


def _curation(curated: Curated) -> Iterator[str]:
    for why, count in curated.left_out.items():
        yield f"* {count:,} items of the pool could not be chosen: {why}."
    if curated.after:
        yield f"* {curated.after:,} items were chosen before, and not again."
    for column, shares in curated.min_share.items():
        for value, share in shares.items():
            yield f"* At least {share:.3g} of the items have the {column} {value}, or all that the pool has."
