"""Many releases in files: decoded when asked for, so that ten thousand never lie in memory together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from proxyset.cloud.store import Place, place
from proxyset.errors import InvalidInput
from proxyset.wire.files import read_message
from proxyset.wire.release import RELEASE_LIMIT, Release


@dataclass(frozen=True)
class ReleaseFiles(Sequence[Release]):
    """Releases in the order of their files. Every access reads and validates a file anew.

    Reading one raises TransportError when it cannot be read, ArtifactError when it is no release.
    """

    paths: tuple[Place, ...]

    @classmethod
    def found(cls, places: Iterable[str | Place]) -> ReleaseFiles:
        """Files as they are named, folders as the *.safetensors in them, by name; here or on object storage.

        Raises:
            InvalidInput: a folder holds none.
        """
        paths: list[Place] = []
        for where in map(place, places):
            if not where.is_dir():
                paths.append(where)
            elif inside := _releases_in(where):
                paths += [where / name for name in inside]
            else:
                raise InvalidInput(f"the folder {where} holds no release (*.safetensors)")
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


def _releases_in(folder: Place) -> list[str]:
    names = (path.name for path in folder.iterdir()) if isinstance(folder, Path) else folder.below()
    return sorted(name for name in names if name.endswith(".safetensors") and "/" not in name)
