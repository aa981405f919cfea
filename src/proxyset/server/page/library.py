"""What the page draws from: indexes with their atlases, the pictures last looked at, what releases said together.

An index of a million items takes seconds to draw, and ten thousand releases take as long to add up. No request waits for that: it
is done in the background, one campaign after another, and every page shows what there is and how far the rest is (`sight`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

from proxyset.cloud.index import Index
from proxyset.cloud.select.strategy import Coverage
from proxyset.errors import StateError
from proxyset.page.work import Say, Work
from proxyset.page.work import State as Stage
from proxyset.server import campaigns
from proxyset.server.page.atlas import Atlas, items_near
from proxyset.server.page.atlases import Atlases
from proxyset.server.records import Campaign
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of

_INDEXES = 4
_CLUSTERS = 256
_SIGHTS = 64
_PATIENCE = 0.7  # seconds that a request waits: what takes no longer is shown at once
Value = TypeVar("Value")


@dataclass(frozen=True)
class Neighbour:
    """An item near a centroid: its id, what the pool says of it, and the item itself."""

    id: str
    label: str | None
    source: str | None
    licence: str | None
    item: Any


@dataclass(frozen=True)
class Sight:
    """What the map of a campaign shows.

    Attributes:
        index, atlas: of the pool.
        coverage: what releases say together; None without one.
        answers: how many those are; a two-party sum that was opened is one.
    """

    index: Index
    atlas: Atlas
    coverage: Coverage | None
    answers: int


class Library:
    """Opens indexes by fingerprint; keeps the last few."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._atlases = Atlases(state.folder / "atlases")
        self._open: Kept[tuple[Index, Atlas]] = Kept(_INDEXES)
        self._near: Kept[list[Neighbour]] = Kept(_CLUSTERS)
        self._sights: OrderedDict[str, Sight] = OrderedDict()
        self.work = Work()

    def sight(self, campaign: Campaign) -> tuple[Sight | None, Stage, str]:
        """What there is to see of a campaign: the newest that was drawn, or None, what becomes of a newer one, and in words how
        far that is. A newer one is begun where more has come, unless the last one failed: that is told, and then tried again.
        """
        name = campaign.id
        if self.work.state(name)[0] == "failed":
            return self._seen(name), *self.work.forget(name)
        total = self._count(name)
        seen = self._seen(name)
        if seen is None or seen.answers != total:
            self.work.start(name, lambda say: self._draw(campaign, total, say))
            self.work.wait(name, _PATIENCE)
            seen = self._seen(name)
        return seen, *self.work.state(name)

    def coverage(self, campaign: str) -> Coverage | None:
        """What a campaign's releases say together, added up now unless it was and none has come since.

        Raises:
            UnknownName: no such campaign. The others as `campaigns.coverage`.
        """
        seen = self._seen(campaign)
        if seen is not None and seen.answers == self._count(campaign):
            return seen.coverage
        return campaigns.coverage(self._state, campaign)

    def _seen(self, campaign: str) -> Sight | None:
        return self._sights.get(campaign)

    def _count(self, campaign: str) -> int:
        opened = sums_of(self._state).total(campaign) is not None
        return self._state.lists.arrived(campaign).answers + opened

    def _draw(self, campaign: Campaign, answers: int, say: Say) -> str:
        say("The index is opened.")
        index, atlas = self.index(campaign.index, say)
        say(f"{answers:,} answers are added up.")
        coverage = campaigns.coverage(self._state, campaign.id)
        self._sights[campaign.id] = Sight(index, atlas, coverage, answers)
        while len(self._sights) > _SIGHTS:
            self._sights.popitem(last=False)
        return "Drawn."

    def index(self, fingerprint: str, say: Say = lambda _: None) -> tuple[Index, Atlas]:
        """An index and its atlas.

        Args:
            say: told how far the atlas is, where it is drawn up now.

        Raises:
            UnknownName: it is not registered. StateError: what lies in its folder now is another. ArtifactError: it is damaged.
        """

        def opened() -> tuple[Index, Atlas]:
            index = Index.open(self._state.index(fingerprint).folder)
            if index.fingerprint != fingerprint:
                raise StateError(
                    f"{index.folder} is not the index {fingerprint[:12]} any more: it was built again"
                )
            of = f"of {len(index):,} items were looked at to draw the map"
            return index, self._atlases.of(index, lambda seen: say(f"{seen:,} {of}."))

        return self._open.get(fingerprint, opened)

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
