"""The indexes that the page draws from, opened once, with their atlases and the pictures last looked at."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from proxyset.cloud.index import Index
from proxyset.cloud.page.atlas import Atlas, items_near, survey
from proxyset.cloud.state import State
from proxyset.errors import StateError

_INDEXES = 4
_CLUSTERS = 256


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
        self._lock = Lock()
        self._open: OrderedDict[str, tuple[Index, Atlas]] = OrderedDict()
        self._near: OrderedDict[tuple[str, int], list[Neighbour]] = OrderedDict()

    def index(self, fingerprint: str) -> tuple[Index, Atlas]:
        """An index and its atlas.

        Raises:
            UnknownName: it is not registered. StateError: what lies in its folder now is another. ArtifactError: it is damaged.
        """
        with self._lock:
            if fingerprint not in self._open:
                index = Index.open(self._state.index(fingerprint).folder)
                if index.fingerprint != fingerprint:
                    raise StateError(
                        f"{index.folder} is not the index {fingerprint[:12]} any more: it was built again"
                    )
                self._open[fingerprint] = index, survey(index)
                while len(self._open) > _INDEXES:
                    self._open.popitem(last=False)
            self._open.move_to_end(fingerprint)
            return self._open[fingerprint]

    def near(self, fingerprint: str, cluster: int) -> list[Neighbour]:
        """The items nearest to a centroid, out of the pool.

        Raises:
            InvalidData: the pool has changed or is not there. The others as `index`.
        """
        index, atlas = self.index(fingerprint)
        with self._lock:
            if (fingerprint, cluster) not in self._near:
                table = items_near(index, atlas, cluster)
                found = dict(index.fetch(table)) if len(table) else {}
                self._near[fingerprint, cluster] = [
                    Neighbour(row["id"], row["label"], row["source"], row["licence"], found[row["id"]])
                    for row in table.to_pylist()
                ]
                while len(self._near) > _CLUSTERS:
                    self._near.popitem(last=False)
            self._near.move_to_end((fingerprint, cluster))
            return self._near[fingerprint, cluster]
