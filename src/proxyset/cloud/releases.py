"""Many releases in files: decoded when asked for, so that ten thousand never lie in memory together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from proxyset.errors import InvalidInput
from proxyset.wire.files import read_message
from proxyset.wire.release import RELEASE_LIMIT, Release


@dataclass(frozen=True)
class ReleaseFiles(Sequence[Release]):
    """Releases in the order of their files. Every access reads and validates a file anew.

    Reading one raises TransportError when it cannot be read, ArtifactError when it is no release.
    """

    paths: tuple[Path, ...]

    @classmethod
    def found(cls, places: Iterable[Path]) -> ReleaseFiles:
        """Files as they are named, folders as the *.safetensors in them, by name.

        Raises:
            InvalidInput: a folder holds none.
        """
        paths: list[Path] = []
        for place in places:
            inside = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
            if not inside:
                raise InvalidInput(f"the folder {place} holds no release (*.safetensors)")
            paths += inside
        return cls(tuple(paths))

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, number: int) -> Release: ...
    @overload
    def __getitem__(self, number: slice) -> ReleaseFiles: ...
    def __getitem__(self, number: int | slice) -> Release | ReleaseFiles:
        if isinstance(number, slice):
            return ReleaseFiles(self.paths[number])
        return Release.from_bytes(read_message(self.paths[number], "release", RELEASE_LIMIT))
