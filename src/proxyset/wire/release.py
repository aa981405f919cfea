"""The release: R noisy counts and the statement of what they cost. The only thing a client sends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from proxyset.errors import ArtifactError
from proxyset.fingerprint import fingerprint
from proxyset.wire.container import Tensors, pack, unpack

RELEASE_LIMIT = 8 << 20
RECEIPT_LIMIT = 1 << 16
_LARGEST_COUNT = 1 << 53  # float64 holds it exactly
_LOWEST_NOISE = 40  # σ: no count is below 0 by nature, and noise gets there with probability below 1e-300
_SHA256 = r"^[0-9a-f]{64}$"


class PrivacyStatement(BaseModel):
    """What a release guarantees, in numbers that anyone can check.

    Attributes:
        unit: what is protected: one "record", or one "person" with at most `max_records` records.
        adjacency: "add-remove" or "replace-one" of one unit.
        max_records: most records of one unit that were counted (1 for unit "record").
        mechanism: the discrete Gaussian of Canonne, Kamath and Steinke (2020).
        sigma: scale of the noise on every count.
        l2_sensitivity: of the whole histogram, for this unit and adjacency.
        rho: zero-concentrated DP, l2_sensitivity² / (2 sigma²).
        epsilon, delta: of this release alone, by the discrete Gaussian's own privacy loss distribution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    unit: Literal["record", "person"]
    adjacency: Literal["add-remove", "replace-one"]
    max_records: int = Field(ge=1, le=1_000_000)
    mechanism: Literal["discrete-gaussian"] = "discrete-gaussian"
    sigma: float = Field(gt=0, allow_inf_nan=False)
    l2_sensitivity: float = Field(gt=0, allow_inf_nan=False)
    rho: float = Field(gt=0, allow_inf_nan=False)
    epsilon: float = Field(gt=0, allow_inf_nan=False)
    delta: float = Field(gt=0, lt=1)


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal["proxyset.release/1"] = "proxyset.release/1"
    probe: str = Field(pattern=_SHA256)
    index: str = Field(pattern=_SHA256)
    privacy: PrivacyStatement


@dataclass(frozen=True)
class Release:
    """R noisy counts.

    Attributes:
        counts: (R,) int64; noisy, so they may be negative. They always travel as 8 bytes each: the size of a release
            depends on R alone.
        probe: fingerprint of the probe that was answered.
        index: fingerprint of the index that the probe came from, as the probe said.
        privacy: what it guarantees.
        receipt: the bytes of the receipt that travels with it, or none. Its size depends on the owner's settings alone.
            Nothing here trusts it: `Receipt.of` verifies it.
    """

    counts: NDArray[np.int64]
    probe: str
    index: str
    privacy: PrivacyStatement
    receipt: bytes = b""

    def to_bytes(self) -> bytes:
        return self._packed(self.receipt)

    def _packed(self, receipt: bytes) -> bytes:
        tensors: Tensors = {"counts": self.counts}
        if receipt:
            tensors["receipt"] = np.frombuffer(receipt, np.uint8)
        return pack(_Header(probe=self.probe, index=self.index, privacy=self.privacy), tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> Release:
        """Decode and validate.

        Raises:
            ArtifactError: not a release, damaged, of another version, or with counts that no honest client can have:
                beyond 2⁵³, or negative by more than 40 σ.
        """
        header, tensors = unpack(data, _Header, "release", RELEASE_LIMIT)
        counts, receipt = tensors.pop("counts", None), tensors.pop("receipt", np.empty(0, np.uint8))
        if tensors or counts is None or counts.dtype != np.int64 or counts.ndim != 1 or not len(counts):
            raise ArtifactError(
                "a release holds one tensor, 'counts', of int64 and shape (R,), and perhaps a receipt"
            )
        if receipt.dtype != np.uint8 or receipt.ndim != 1 or len(receipt) > RECEIPT_LIMIT:
            raise ArtifactError(f"the receipt in a release is at most {RECEIPT_LIMIT} bytes")
        lowest = -min(_LOWEST_NOISE * header.privacy.sigma, _LARGEST_COUNT)
        if counts.max() > _LARGEST_COUNT or counts.min() < lowest:
            raise ArtifactError(
                f"this release has counts from {counts.min()} to {counts.max()}; with noise of σ = "
                f"{header.privacy.sigma:g} no client can have such"
            )
        return cls(counts, header.probe, header.index, header.privacy, receipt.tobytes())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the bytes that travel, less the receipt, which names it."""
        return fingerprint(self._packed(b""))
