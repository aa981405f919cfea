"""What people ask of a selection beside a budget: licences, shares, an earlier selection, a test set that must stay out.

All of it looks at public things alone: the pool's own columns, sets that are public, ids that were chosen before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from proxyset.cloud.index import Index
from proxyset.cloud.select.distances import nearest_distance
from proxyset.cloud.select.limits import Limits
from proxyset.cloud.select.parts import Part
from proxyset.cloud.select.strategy import Candidates, Coverage
from proxyset.cloud.select.weighted_neighbours import NEAR_DUPLICATE
from proxyset.encoders import encoder_for
from proxyset.errors import InvalidInput
from proxyset.nearest import nearest_centroid
from proxyset.sources import KEPT_COLUMNS, open_source
from proxyset.sources.given import Given

Public = Given


@dataclass(frozen=True)
class Curation:
    """What a selection must keep to.

    Attributes:
        only: column of the pool ("label", "source", "uri", "licence", "id") → patterns, of which an item's value must match one:
            {"licence": ["CC0*", "CC-BY-4.0"]}. An item without a value matches none.
        without: column → patterns, of which an item's value may match none.
        min_share: one column → the least share of the budget that each of its values gets: {"label": 0.05}, or
            {"label": {"cat": 0.2, "dog": 0.1}}. A value with too few items gets all that it has.
        after: ids that were chosen before, say because they are labeled already: they are not chosen again, and the default
            strategy keeps away from them.
        apart_from: public sets, in any form that `open_source` reads, whose items and near-duplicates are left out: a test set.
        near: what is a near-duplicate: a distance in units of the pool's root-mean-square spread, in the index's components.
    """

    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    without: Mapping[str, Sequence[str]] = field(default_factory=dict)
    min_share: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    after: Sequence[str] = ()
    apart_from: Sequence[Public] = ()
    near: float = NEAR_DUPLICATE

    def __bool__(self) -> bool:
        return bool(self.only or self.without or self.min_share or self.after or self.apart_from)


class Curated(BaseModel):
    """What was asked of a selection, and what it did: for a proxy set's card.

    Attributes:
        only, without, apart_from: as `Curation` has them.
        near: as there; None where nothing had to be kept apart.
        min_share: column → value → least share.
        after: how many items were chosen before.
        left_out: why → how many items of the pool could not be chosen for it; one may count for several reasons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    only: dict[str, list[str]] = {}
    without: dict[str, list[str]] = {}
    min_share: dict[str, dict[str, float]] = {}
    after: int = 0
    apart_from: list[str] = []
    near: float | None = None
    left_out: dict[str, int] = {}


def named(place: Public) -> str:
    """What a public set is called on a card."""
    return os.fspath(place) if isinstance(place, str | os.PathLike) else f"a set of {len(place):,} in memory"


def curate(index: Index, candidates: Candidates, asked: Curation) -> tuple[Limits, Curated]:
    """What was asked of a selection, as arrays over an index.

    Args:
        index: of the pool.
        candidates: its items.
        asked: for what.

    Raises:
        InvalidInput: a column that an index does not have, or that names nothing in this pool; a share that is none, more than
            one column of shares, or shares of more than all; an id that is not in the pool; `near` below 0.
        InvalidData: an item of a set that must stay out cannot be read or encoded.
        ArtifactError: the index is damaged.

    Guarantee:
        Nothing private is read.
    """
    for name in (*asked.only, *asked.without, *asked.min_share):
        if name not in (*KEPT_COLUMNS, "id"):
            raise InvalidInput(
                f"an index has no column {name!r}: it keeps id, {', '.join(KEPT_COLUMNS)} of the pool"
            )
    if not 0 <= asked.near < np.inf:
        raise InvalidInput(f"a near-duplicate's distance is at least 0, not {asked.near}")
    out: dict[str, NDArray[np.bool_]] = {}
    for name, patterns in asked.only.items():
        out[f"{name} is not {' or '.join(patterns)}"] = ~_matching(index, name, patterns)
    for name, patterns in asked.without.items():
        out[f"{name} is {' or '.join(patterns)}"] = _matching(index, name, patterns)
    for place in asked.apart_from:
        points = np.concatenate(list(_components(index, place)))
        close = dict(candidates.each(partial(_near, points=points, near=asked.near)))
        out[f"in or near {named(place)}"] = np.concatenate([close[number] for number in sorted(close)])
    chosen = _rows_of_ids(index, asked.after) if asked.after else None
    allowed = ~np.logical_or.reduce(list(out.values())) if out else None
    groups, least, shares = _shares(index, asked.min_share) if asked.min_share else (None, None, {})
    curated = Curated(
        only={name: list(patterns) for name, patterns in asked.only.items()},
        without={name: list(patterns) for name, patterns in asked.without.items()},
        min_share=shares,
        after=0 if chosen is None else len(chosen),
        apart_from=[named(place) for place in asked.apart_from],
        near=asked.near if asked.apart_from else None,
        left_out={why: int(mask.sum()) for why, mask in out.items()},
    )
    return Limits(allowed, chosen, groups, least), curated


def reference_coverage(index: Index, reference: Public) -> Coverage:
    """The counts of a public set in the clusters of an index: what a client would answer, but public, exact and free.

    Args:
        index: of the pool.
        reference: items like those that are wanted, in any form that `open_source` reads. Never private data: nothing here is
            noisy.

    Raises:
        InvalidData: an item cannot be read or encoded, or there is none. EncoderMismatch: its items do not fit the encoder.
    """
    counts = np.zeros(index.manifest.clusters)
    for Z in _components(index, reference):
        counts += np.bincount(nearest_centroid(Z, index.centroids), minlength=len(counts))
    return Coverage(counts, 0.0)


def _near(part: Part, given: None, points: NDArray[np.float32], near: float) -> NDArray[np.bool_]:
    """(m,) which rows of a part are at most that far from one of the points."""
    found = [nearest_distance(block.Z, points) <= near for block in part.blocks()]
    return np.concatenate([np.empty(0, np.bool_), *found])


def _components(index: Index, place: Public) -> Iterator[NDArray[np.float32]]:
    """The items of a public set, as the index sees its pool's: (m, D) float32, batch by batch."""
    manifest = index.manifest
    source = open_source(place, kind=manifest.kind)
    encoder = encoder_for(manifest.encoder, local=index.function or manifest.local)
    for shard in source.shards():
        for batch in source.read(shard):
            yield index.projection(encoder.encode(batch.items).whole(named(place), batch.ids))


def _codes(index: Index, name: str) -> tuple[NDArray[np.int32], list[str]]:
    """(n,) the value of every item as a number, −1 for none, and the values."""
    values: dict[str, int] = {}
    parts: list[NDArray[np.int32]] = []
    for batch in index.columns([name]):
        encoded = pc.dictionary_encode(batch.column(name), null_encoding="encode")
        known = [
            -1 if value is None else values.setdefault(value, len(values))
            for value in encoded.dictionary.to_pylist()
        ]
        places = encoded.indices.to_numpy(zero_copy_only=False)
        parts.append(np.array(known, np.int32)[places] if known else np.empty(0, np.int32))
    return np.concatenate(parts), list(values)


def _matching(index: Index, name: str, patterns: Sequence[str]) -> NDArray[np.bool_]:
    codes, values = _codes(index, name)
    if not values:
        raise InvalidInput(
            f"the pool of {index.folder} names no {name} for any item: there is nothing to choose by"
        )
    if isinstance(patterns, str) or not patterns:
        raise InvalidInput(f"patterns for {name!r} are a list of at least one, not {patterns!r}")
    fits = np.array([any(fnmatchcase(value, pattern) for pattern in patterns) for value in values])
    return np.asarray((codes >= 0) & fits[codes])


def _shares(
    index: Index, asked: Mapping[str, float | Mapping[str, float]]
) -> tuple[NDArray[np.int32], NDArray[np.float64], dict[str, dict[str, float]]]:
    if len(asked) > 1:
        raise InvalidInput(f"least shares go by one column, not by {' and '.join(sorted(asked))} together")
    ((name, shares),) = asked.items()
    codes, values = _codes(index, name)
    named = dict(shares) if isinstance(shares, Mapping) else dict.fromkeys(values, float(shares))
    if unknown := sorted(set(named) - set(values)):
        raise InvalidInput(
            f"no item of the pool has the {name} {unknown[0]!r}, and a least share was asked for it"
        )
    if not named:
        raise InvalidInput(
            f"the pool of {index.folder} names no {name} for any item: there is nothing to share by"
        )
    least = np.array([named.get(value, 0.0) for value in values])
    if not (np.isfinite(least).all() and (least >= 0).all() and least.sum() <= 1 + 1e-9):
        raise InvalidInput(
            f"least shares are at least 0 and together at most 1; those for {len(named)} values of {name} add up to "
            f"{least.sum():.3g}: at most {1 / len(named):.3g} each"
        )
    return codes, least, {name: named}


def _rows_of_ids(index: Index, ids: Sequence[str]) -> NDArray[np.intp]:
    wanted, found = set(ids), index.rows_of(ids)
    if len(found) < len(wanted):
        raise InvalidInput(
            f"{len(wanted) - len(found):,} of {len(wanted):,} ids that were chosen before are not in the pool of "
            f"{index.folder}: is the earlier selection of another pool?"
        )
    return np.array(list(found.values()), np.intp)
