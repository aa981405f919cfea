"""What the page draws from: indexes with their atlases, the pictures last looked at, what releases said together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

from proxyset.cloud.index import Index
from proxyset.cloud.select.strategy import Coverage
from proxyset.errors import StateError
from proxyset.server import campaigns
from proxyset.server.page.atlas import Atlas, items_near
from proxyset.server.page.atlases import Atlases
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of

_INDEXES = 4
_CLUSTERS = 256
_COVERAGES = 64
Value = TypeVar("Value")


@dataclass(frozen=True)
class Neighbour:
    """An item near a centroid: its id, what the pool says of it, and the item itself."""

    id: str
    label: str | None
    source: str | None
    licence: str | None
    item: Any


class Library:
    """Opens indexes by fingerprint; keeps the last few."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._atlases = Atlases(state.folder / "atlases")
        self._open: Kept[tuple[Index, Atlas]] = Kept(_INDEXES)
        self._near: Kept[list[Neighbour]] = Kept(_CLUSTERS)
        self._coverages: Kept[Coverage | None] = Kept(_COVERAGES)

    def index(self, fingerprint: str) -> tuple[Index, Atlas]:
        """An index and its atlas.

        Raises:
            UnknownName: it is not registered. StateError: what lies in its folder now is another. ArtifactError: it is damaged.
        """

        def opened() -> tuple[Index, Atlas]:
            index = Index.open(self._state.index(fingerprint).folder)
            if index.fingerprint != fingerprint:
                raise StateError(
                    f"{index.folder} is not the index {fingerprint[:12]} any more: it was built again"
                )
            return index, self._atlases.of(index)

        return self._open.get(fingerprint, opened)

    def coverage(self, campaign: str) -> Coverage | None:
        """What a campaign's releases say together: combined again only when more have come, for none is ever taken back.

        Raises:
            UnknownName: no such campaign. The others as `campaigns.coverage`.
        """
        opened = sums_of(self._state).total(campaign) is not None
        count = self._state.release_counts().get(campaign, 0) + opened
        return self._coverages.get((campaign, count), lambda: campaigns.coverage(self._state, campaign))

    def near(self, fingerprint: str, cluster: int) -> list[Neighbour]:
        """The items nearest to a centroid, out of the pool.

        Raises:
            InvalidData: the pool has changed or is not there. The others as `index`.
        """
        index, atlas = self.index(fingerprint)

        def fetched() -> list[Neighbour]:
            table = items_near(index, atlas, cluster)
            found = dict(index.fetch(table)) if len(table) else {}
            return [
                Neighbour(row["id"], row["label"], row["source"], row["licence"], found[row["id"]])
                for row in table.to_pylist()
            ]

        return self._near.get((fingerprint, cluster), fetched)


class Kept(Generic[Value]):
    """The values last asked for. Each is made once, and whoever wants another need not wait for it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._places: OrderedDict[Hashable, _Place[Value]] = OrderedDict()

    def get(self, name: Hashable, make: Callable[[], Value]) -> Value:
        """The value of that name, made now unless it is kept; nothing is kept of one whose making fails."""
        with self._lock:
            place = self._places.setdefault(name, _Place())
            self._places.move_to_end(name)
            while len(self._places) > self._most:
                self._places.popitem(last=False)
        with place.making:
            if not place.made:
                place.made.append(make())
            return place.made[0]


@dataclass
class _Place(Generic[Value]):
    making: Lock = field(default_factory=Lock)
    made: list[Value] = field(default_factory=list)
