"""The probe: R compressed centroids and what a client must know to answer. The only thing a client receives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from proxyset.bars import shown
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ArtifactError
from proxyset.fingerprint import fingerprint
from proxyset.printable import printable
from proxyset.wire.arrays import Dtype as Dtype
from proxyset.wire.arrays import compress, decompress, parts
from proxyset.wire.container import Sha256, Strict, Tensors, pack, unpack
from proxyset.wire.medoids import CONTENTS, TENSORS, Commitment, Medoids, decode

PROBE_LIMIT = 1 << 30


class _Header(Strict):
    schema_version: Literal["proxyset.probe/2"] = "proxyset.probe/2"
    encoder: EncoderSpec
    encoder_fingerprint: Sha256
    index: Sha256
    clusters: int = Field(ge=1, le=10_000_000)
    dim: int = Field(ge=1, le=1 << 20)
    dtype: Dtype
    projected: bool
    purpose: str = Field(default="", max_length=500)
    commitment: Commitment | None = None


@dataclass(frozen=True, repr=False)
class Probe:
    """R centroids that the client's items vote for.

    With a projection, an item with features x votes for the centroid nearest to x @ projection; without, for the one
    nearest to x. The mean that principal components are taken about is in the centroids already: it moves both alike.

    Attributes:
        data: the bytes that travel; the rest is read from them.
        centroids: (R, D) float32, after decompression and projection; finite.
        encoder: the encoder both sides use; d = encoder.dim.
        index: fingerprint of the index that the cloud will select from.
        dtype: how the arrays travel.
        projection: (d, D) float32, finite, or None (then D = d).
        purpose: what the cloud says it wants the answer for; shown to the owner, never acted upon.
        medoids: the real items that the centroids are, when the cloud committed to its index; their proofs were checked.
    """

    data: bytes = field(repr=False)
    centroids: NDArray[np.float32]
    encoder: EncoderSpec
    index: str
    dtype: Dtype
    projection: NDArray[np.float32] | None
    purpose: str
    medoids: Medoids | None = None

    def __repr__(self) -> str:
        return f"<Probe of {self._what()}>"

    def _repr_html_(self) -> str:
        facts = [f"encoder {self.encoder.name}, {len(self.data):,} bytes", f"of the index {self.index[:12]}"]
        if self.purpose:
            facts.append(f"purpose, in the cloud's words: {printable(self.purpose)}")
        return shown(f"Probe of {self._what()}", facts)

    def _what(self) -> str:
        R, D = self.centroids.shape
        items = "medoids (items of the pool)" if self.medoids else "centroids"
        return f"{R:,} {items} of {D} numbers, {self.encoder.dim} features by {self.encoder.name}"

    @classmethod
    def build(
        cls,
        centroids: NDArray[np.float32],
        encoder: EncoderSpec,
        index: str,
        *,
        dtype: Dtype = "float16",
        projection: NDArray[np.float32] | None = None,
        mean: NDArray[np.float32] | None = None,
        purpose: str = "",
    ) -> Probe:
        """Compress centroids into a probe. The result holds what the client will see, rounding included.

        Args:
            centroids: (R, D), in the space of (x − mean) @ projection.
            projection, mean: (d, D) and (d,); None for centroids in feature space.

        Raises:
            InvalidInput: an unknown dtype.
        """
        moved, tensors = np.asarray(centroids, np.float64), {}
        if projection is not None:
            tensors = compress("projection", projection, dtype)
            if mean is not None:  # by the projection as it travels, so that its rounding cancels
                rounded = decompress("projection", tensors, dtype, projection.shape)
                moved = moved + np.asarray(mean, np.float64) @ rounded
        tensors |= compress("centroids", moved, dtype)
        header = _Header(
            encoder=encoder,
            encoder_fingerprint=encoder.fingerprint,
            index=index,
            clusters=len(centroids),
            dim=centroids.shape[1],
            dtype=dtype,
            projected=projection is not None,
            purpose=purpose,
        )
        return cls.from_bytes(pack(header, tensors))

    @classmethod
    def build_of_medoids(
        cls,
        medoids: tuple[Commitment, Tensors],
        encoder: EncoderSpec,
        index: str,
        *,
        projection: NDArray[np.float32] | None = None,
        purpose: str = "",
    ) -> Probe:
        """A probe whose centroids are committed items, in float32: quantised, their proofs would not hold.

        Args:
            medoids: as `wire.medoids.encode` makes them.
        """
        commitment, tensors = medoids
        if projection is not None:
            tensors = tensors | {"projection": projection}
        header = _Header(
            encoder=encoder,
            encoder_fingerprint=encoder.fingerprint,
            index=index,
            clusters=len(commitment.ids),
            dim=encoder.dim if projection is None else projection.shape[1],
            dtype="float32",
            projected=projection is not None,
            purpose=purpose,
            commitment=commitment,
        )
        return cls.from_bytes(pack(header, tensors))

    @classmethod
    def from_bytes(cls, data: bytes) -> Probe:
        """Decode and validate.

        Raises:
            ArtifactError: not a probe, damaged, of another version, or with arrays of impossible shape or value.
        """
        header, tensors = unpack(data, _Header, "probe", PROBE_LIMIT)
        R, d, D = header.clusters, header.encoder.dim, header.dim
        if header.encoder.fingerprint != header.encoder_fingerprint:
            raise ArtifactError("the probe's encoder does not match its own fingerprint")
        if not header.projected and d != D:
            raise ArtifactError(
                f"the probe has centroids of {D} dimensions, its encoder {d}, and no projection"
            )
        expected = parts("centroids", header.dtype)
        if header.commitment:
            expected = TENSORS | (CONTENTS if header.commitment.contents else set())
        if header.projected:
            expected |= parts("projection", header.dtype)
        if set(tensors) != expected:
            raise ArtifactError(f"the probe holds the tensors {sorted(tensors)}, not {sorted(expected)}")
        projection = decompress("projection", tensors, header.dtype, (d, D)) if header.projected else None
        if header.commitment is None:
            medoids, centroids = None, decompress("centroids", tensors, header.dtype, (R, D))
        else:
            medoids = decode(header.commitment, tensors, R, d)
            centroids = _projected(medoids.embeddings, projection)
            if not np.isfinite(centroids).all():
                raise ArtifactError("the probe's projection takes its medoids beyond what float32 can hold")
        return cls(
            data,
            centroids,
            header.encoder,
            header.index,
            header.dtype,
            projection,
            header.purpose,
            medoids,
        )

    def to_bytes(self) -> bytes:
        return self.data

    @property
    def clusters(self) -> int:
        """R."""
        return len(self.centroids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the bytes that travel."""
        return fingerprint(self.data)

    def project(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (n, d) in the space of the centroids: (n, D) float32, infinite beyond what that can hold."""
        return _projected(X, self.projection)


def _projected(X: NDArray[np.float32], projection: NDArray[np.float32] | None) -> NDArray[np.float32]:
    if projection is None:
        return X
    with np.errstate(over="ignore"):
        return np.asarray(X.astype(np.float64) @ projection, np.float32)
