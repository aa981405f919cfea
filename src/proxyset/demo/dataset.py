"""What a data set of the demo and of the benchmark is: one table of labelled items from several domains, with their terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Domain:
    """One kind of data inside a benchmark: the same classes, seen in another way.

    Attributes:
        name: short name, as in the table's `domain` column.
        title: one plain sentence for a reader who has never seen it.
        source: who made it, and which package carries it.
        licence: the terms of the items.
    """

    name: str
    title: str
    source: str
    licence: str


@dataclass(frozen=True)
class Content:
    """What a builder returns.

    Attributes:
        table: string columns `id` (unique), `domain` and `label`, perhaps `group` (items that show the same thing:
            a split keeps them together), and one or more columns that hold the item.
        fingerprint: SHA-256 of what the items mean (pixels, not the bytes of their PNG files), 64 hexadecimal
            digits.
        note: what this build lacks ("without the domain photo"), empty when it is whole.
    """

    table: pa.Table
    fingerprint: str
    note: str = ""


@dataclass(frozen=True)
class DataSet:
    """A benchmark data set that can be built from packages.

    Attributes:
        name: as in `proxyset-lab fetch NAME`.
        title: one line.
        items: how many items.
        download: bytes that are downloaded to build it, about; 0 when it is made from files that the user has.
        domains: its domains, each with source and licence.
        encoder: what benchmarks compute its features with: "efficientnet-lite0", "minilm", "tabular", or a name that
            `load_encoder` takes, for items in a column `image` (file bytes) or `text`.
        version: raised when the recipe changes, so that no old cache is read.
        fingerprint: what the maintainers' build gave. Another version of an image library may draw a few
            pixels otherwise, so a difference is worth a word but is no error.
        build: makes the content; slow, offline it may fail.
        splits_of: the set with the same items in the same order whose near-duplicates are left out, so that two encoders are
            compared on the same splits; None for its own.
    """

    name: str
    title: str
    items: int
    download: int
    domains: tuple[Domain, ...]
    encoder: str
    version: int
    fingerprint: str
    build: Callable[[], Content]
    splits_of: DataSet | None = None

    @property
    def licence(self) -> str:
        """The terms of all domains, each named once."""
        return "; ".join(dict.fromkeys(domain.licence for domain in self.domains))
