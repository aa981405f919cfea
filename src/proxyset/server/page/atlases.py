"""Atlases kept beside the state, one file an index: drawn up once, and then read at the cost of R clusters, not of the pool.

    DIR/atlases/FINGERPRINT.safetensors

The name is the index's fingerprint, which covers its assignments, so that an atlas never grows old. It can be drawn up again at
any time: a file that is damaged, or of another version, is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from proxyset import atomic
from proxyset.cloud.index import Index
from proxyset.errors import ArtifactError
from proxyset.server.logs import LOGGER, event
from proxyset.server.page.atlas import NEAR, Atlas, survey
from proxyset.wire.container import Strict, Tensors, pack, unpack

_LIMIT = 1 << 32


class _Header(Strict):
    schema_version: Literal["proxyset.atlas/1"] = "proxyset.atlas/1"
    index: str
    explained: float = Field(ge=0, allow_inf_nan=False)


class Atlases:
    """The atlases in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, index: Index, seen: Callable[[int], None] = lambda _: None) -> Atlas:
        """The atlas of an index. One that cannot be kept, because the disk is full, is shown all the same and logged.

        Args:
            seen: as `survey` takes it, where the atlas is drawn up now.

        Raises:
            ArtifactError: the index is damaged.
        """
        path = self._folder / f"{index.fingerprint}.safetensors"
        if path.is_file():
            try:
                return decode(path.read_bytes(), index)
            except ArtifactError as error:
                event("atlas is drawn up again", index=index.fingerprint, why=str(error))
        atlas = survey(index, seen)
        try:
            atomic.write_bytes(path, encode(atlas, index))
        except OSError as error:
            LOGGER.warning("atlas is not kept", extra={"facts": {"why": str(error)}})
        return atlas


def encode(atlas: Atlas, index: Index) -> bytes:
    """An atlas as one file."""
    tensors: Tensors = {
        "sizes": atlas.sizes,
        "centres": atlas.centres,
        "radii": atlas.radii,
        "near": atlas.near,
    }
    return pack(_Header(index=index.fingerprint, explained=atlas.explained), tensors)


def decode(data: bytes, index: Index) -> Atlas:
    """The same atlas again.

    Raises:
        ArtifactError: not an atlas of this index, damaged, or of another version.
    """
    header, tensors = unpack(data, _Header, "atlas", _LIMIT)
    R = index.manifest.clusters
    expected = {
        "sizes": ("int64", (R,)),
        "centres": ("float64", (R, 2)),
        "radii": ("float64", (R,)),
        "near": ("int64", (R, NEAR)),
    }
    found = {name: (str(tensor.dtype), tensor.shape) for name, tensor in tensors.items()}
    if header.index != index.fingerprint or found != expected:
        raise ArtifactError(f"this atlas is not of the index {index.fingerprint[:12]}… of {R} clusters")
    return Atlas(**tensors, explained=header.explained)
