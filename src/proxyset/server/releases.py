"""The releases of a campaign in a server's state: decoded when asked for, so that ten thousand never lie in memory together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from proxyset.server.state import State
from proxyset.wire.release import Release


@dataclass(frozen=True)
class StoredReleases(Sequence[Release]):
    """The releases that a campaign had when this was made, first come first. Every access reads and validates one anew.

    Reading one raises StateError when the state cannot be read, ArtifactError when it holds no release.
    """

    state: State
    campaign: str
    fingerprints: tuple[str, ...]

    @classmethod
    def of(cls, state: State, campaign: str) -> StoredReleases:
        """All that came so far; later ones change nothing here, and none is ever taken back."""
        return cls(state, campaign, tuple(record.fingerprint for record in state.releases(campaign)))

    def __len__(self) -> int:
        return len(self.fingerprints)

    @overload
    def __getitem__(self, number: int) -> Release: ...
    @overload
    def __getitem__(self, number: slice) -> StoredReleases: ...
    def __getitem__(self, number: int | slice) -> Release | StoredReleases:
        if isinstance(number, slice):
            return StoredReleases(self.state, self.campaign, self.fingerprints[number])
        return Release.from_bytes(self.state.release(self.campaign, self.fingerprints[number]))
