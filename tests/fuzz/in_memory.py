"""Records that lie in memory: arrays, lists, mappings, data frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from proxyset.client.private_data import wanted_of
from proxyset.encoders.cells import canonical
from proxyset.sources.private import PrivateFiles
from proxyset.sources.source import Batch
from tests.fuzz.domains import Domain
from tests.fuzz.records import TYPES, Layout, Record, Rng, Written, numbers_of, rows_of, stacked, twice


@dataclass(frozen=True)
class Memory(PrivateFiles):
    """Records that lie in memory, read in batches like those of files: the bulk of the pairs, a hundred times faster."""

    records: tuple[Record, ...] = ()
    layout: Layout | None = None

    def batches(self) -> Iterator[Batch]:
        assert self.layout is not None
        for start in range(0, len(self.records), self.layout.step):
            some = self.records[start : start + self.layout.step]
            columns = {
                "person": [canonical(one.person) for one in some],
                "label": [canonical(one.label) for one in some],
            }
            items: Any = [one.item for one in some]
            if self.kind == "table":
                items = rows_of(items, self.layout)
            elif self.kind == "embedding":
                items = stacked(items, self.layout.domain)
            yield Batch([one.id for one in some], items, columns)


def in_memory(records: list[Record], layout: Layout, folder: Path) -> Written:
    encoder = layout.domain.encoder
    wanted = wanted_of(encoder, "person", "label")
    return Memory("memory", (), wanted, tuple(records), layout), [record.id for record in records]


def array(records: list[Record], layout: Layout, folder: Path) -> Written:
    return stacked([record.item for record in records], layout.domain), [str(n) for n in range(len(records))]


def mappings(records: list[Record], layout: Layout) -> list[Any]:
    """Records as Python objects; `raw` is an object in place of one."""
    kind, persons = layout.domain.kind, numbers_of(records)
    found: list[Any] = []
    for number, record in enumerate(records):
        if record.raw is not None:
            found.append(record.raw)
            continue
        item = dict(record.item) if kind == "table" else {kind: record.item}
        person = persons[number] if layout.numbered else record.person
        found.append(
            item | {"person": person, "label": record.label} | ({"id": record.id} if layout.ids else {})
        )
    return found


def listed(records: list[Record], layout: Layout, folder: Path) -> Written:
    return mappings(records, layout), []


def frame(records: list[Record], layout: Layout, folder: Path) -> Written:
    """A pandas frame whose columns take the types that pandas finds for them, from D and from D′."""
    import pandas as pd

    names = [*(TYPES if layout.domain.kind == "table" else (layout.domain.kind,)), "person", "label"]
    return pd.DataFrame(mappings(records, layout), columns=[*names, *(["id"] if layout.ids else [])]), []


class Raises(dict[str, Any]):
    """A record that cannot even be looked at."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("gone")

    get = items = keys = __getitem__  # type: ignore[assignment]


def bad_records(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    strange: dict[str, Any] = {
        "no mapping": 7, "nothing": (), "a list of lists": [[1, 2], [3]], "an empty mapping": {}, "a mapping that raises": Raises(),
        "a function": print, "half a pair": "a\ud800", "a huge number": {"embedding": [10**400], "age": 10**5000, "text": 10**5000},
        "keys that are no texts": {1: 2, None: 3}, "a matrix": np.zeros((2, 2, 2, 2)), "of objects": np.array([None, {}], object),
        "not a time": np.datetime64("NaT"), "complex": {"embedding": [1j], "age": 1j},
    }  # fmt: skip
    return {
        name: lambda rng, record, value=value: replace(record, raw=value) for name, value in strange.items()
    } | {"id twice": twice, "no id": lambda rng, record: replace(record, id="")}
