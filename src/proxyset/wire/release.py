"""The release: R noisy counts and the statement of what they cost. The only thing a client sends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from proxyset.bars import bars, shown
from proxyset.errors import ArtifactError
from proxyset.fingerprint import fingerprint
from proxyset.wire.container import Sha256, Strict, Tensors, pack, unpack
from proxyset.wire.privacy_loss import EXACT_SIGMA, discrete_gaussian_delta, gaussian_delta, zcdp_epsilon

RELEASE_LIMIT = 8 << 20
RECEIPT_LIMIT = 1 << 16
_LARGEST_COUNT = 1 << 53  # float64 holds it exactly
_LOWEST_NOISE = 40  # σ: no count is below 0 by nature, and noise gets there with probability below 1e-300
CELLS = {"add-remove": 1, "replace-one": 2}  # counts that one record moves by 1
_TOLERANCE = 1e-6  # relative; clients round up by 1e-9
_LARGEST_RHO = 1e4  # beyond, nothing is promised


class PrivacyStatement(Strict):
    """What a release guarantees, in numbers that anyone can check.

    Attributes:
        unit: what is protected: one "record", or one "person" with all records of theirs.
        adjacency: "add-remove" or "replace-one" of one unit.
        max_records: what one unit may bring: 1 for unit "record". For a person on a grid, C²: the person's votes, added up, are
            scaled down to a length (ℓ2) of C = √max_records where they are longer. Without one, the most records that were counted.
        mechanism: the discrete Gaussian of Canonne, Kamath and Steinke (2020).
        sigma: scale of the noise on every count, in units of the grid.
        l2_sensitivity: of the whole histogram, for this unit and adjacency, in units of the grid (`l2_sensitivity`).
        rho: zero-concentrated DP, l2_sensitivity² / (2 sigma²).
        epsilon, delta: of this release alone, by the discrete Gaussian's own privacy loss distribution.
        grid: what one record counts; 1 for unit "record", for labels and for shares of a sum. Counts over it are records. Where it
            is 1 it is not written down: such statements are those of before there were grids, byte for byte.
    """

    unit: Literal["record", "person"]
    adjacency: Literal["add-remove", "replace-one"]
    max_records: int = Field(ge=1, le=1_000_000)
    mechanism: Literal["discrete-gaussian"] = "discrete-gaussian"
    sigma: float = Field(gt=0, allow_inf_nan=False)
    l2_sensitivity: float = Field(gt=0, allow_inf_nan=False)
    rho: float = Field(gt=0, allow_inf_nan=False)
    epsilon: float = Field(gt=0, allow_inf_nan=False)
    delta: float = Field(gt=0, lt=1)
    grid: int = Field(default=1, ge=1, le=1 << 16)

    @model_serializer(mode="wrap")
    def _without_a_grid_of_1(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name != "grid" or value != 1}

    @property
    def noise(self) -> float:
        """The scale of the noise on every count, in records."""
        return self.sigma / self.grid

    @property
    def protects(self) -> str:
        """What is protected, in words."""
        if self.unit == "record":
            return "one record"
        if self.grid == 1:
            return f"one person of at most {self.max_records:,} records"
        return f"one person counted up to a length of √{self.max_records:,} records"


def l2_sensitivity(max_records: int, grid: int, cells: int) -> float:
    """How far one unit moves the counts, in units of the grid: √cells · max_records; on a grid, √cells · grid · √max_records.

    Args:
        cells: counts that a record moves; on a grid 1 where a unit is added or removed, 2 where it is replaced: both vectors are
            ≥ 0, so that ‖u − v‖² ≤ ‖u‖² + ‖v‖².
    """
    return math.sqrt(cells) * max_records if grid == 1 else math.sqrt(cells * grid**2 * max_records)


@lru_cache(maxsize=4096)  # a campaign's answers state the same
def check_statement(privacy: PrivacyStatement) -> None:
    """Refuse the statement of a histogram of counts whose numbers do not follow from each other.

    The sensitivity must be that of the unit and adjacency, ρ that of sensitivity and σ, and ε no less than what noise of
    this σ gives at δ. A larger ε, which promises less, passes.

    Sensitivity:
        √cells · max_records, for 1 cell (add-remove) or 2 (replace-one); √cells · grid · √max_records on a grid.
    Unit:
        The statement's.
    Guarantee:
        None of its own: a statement that passes is true of whoever added noise of that σ.
    Assumes:
        That the client did. Its noise cannot be seen from outside.

    Raises:
        ArtifactError: they do not; the message has the numbers.
    """
    cells, epsilon, sigma = CELLS[privacy.adjacency], privacy.epsilon, privacy.sigma
    check_draw(privacy, cells)
    if epsilon >= zcdp_epsilon(privacy.rho, privacy.delta) * (1 - _TOLERANCE):
        return
    delta = 1.0
    if privacy.grid > 1:
        delta = gaussian_delta(epsilon, sigma, privacy.l2_sensitivity)
    elif sigma <= EXACT_SIGMA:
        delta = discrete_gaussian_delta(epsilon, sigma, privacy.max_records, cells)
    if delta > privacy.delta * (1 + _TOLERANCE):
        raise ArtifactError(_claims_too_little(epsilon, privacy.delta, f"noise of σ = {sigma:g}"))


def check_draw(draw: PrivacyStatement, moved: int) -> None:
    """Refuse the statement of one draw of noise, in which a unit moves `moved` counts as `l2_sensitivity` says.

    Raises:
        ArtifactError: sensitivity or ρ are not what follows, ρ is above 10,000, or a record counts more than 1.
    """
    if draw.unit == "record" and (draw.max_records, draw.grid) != (1, 1):
        raise ArtifactError(
            f"a privacy statement for one record counts {draw.max_records} of it on a grid of {draw.grid}, not 1 on 1"
        )
    sensitivity = l2_sensitivity(draw.max_records, draw.grid, moved)
    ratio = draw.l2_sensitivity / draw.sigma
    if not math.isclose(draw.l2_sensitivity, sensitivity, rel_tol=_TOLERANCE):
        raise ArtifactError(
            f"a privacy statement claims an l2 sensitivity of {draw.l2_sensitivity:g}; {draw.protects} ({draw.adjacency}) moves "
            f"these counts by {sensitivity:g}"
        )
    if not math.isclose(draw.rho, ratio * ratio / 2, rel_tol=_TOLERANCE) or draw.rho > _LARGEST_RHO:
        raise ArtifactError(
            f"a privacy statement claims ρ = {draw.rho:g}; its σ = {draw.sigma:g} and sensitivity {draw.l2_sensitivity:g} "
            f"give {ratio * ratio / 2:g}, and above {_LARGEST_RHO:g} nothing is promised"
        )


def check_epsilon(epsilon: float, delta: float, rho: float) -> None:
    """Refuse an ε at δ that is smaller than what ρ of zCDP gives.

    Raises:
        ArtifactError: it is.
    """
    if epsilon < zcdp_epsilon(rho, delta) * (1 - _TOLERANCE):
        raise ArtifactError(_claims_too_little(epsilon, delta, f"ρ = {rho:g}"))


def _claims_too_little(epsilon: float, delta: float, what: str) -> str:
    return (
        f"a privacy statement claims ε = {epsilon:g} at δ = {delta:g}; {what} does not give so much privacy: the numbers "
        "do not follow from each other, so nothing in it can be believed"
    )


class _Header(Strict):
    schema_version: Literal["proxyset.release/1", "proxyset.release/2"] = "proxyset.release/2"
    probe: Sha256
    index: Sha256
    privacy: PrivacyStatement


@dataclass(frozen=True, repr=False)
class Release:
    """R noisy counts. Version 1 of the message counts records; version 2, of persons, on the grid that the statement names.

    Attributes:
        counts: (R,) int64, in units of privacy.grid; noisy, so they may be negative. They always travel as 8 bytes each: the size
            of a release depends on R and the terms alone.
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

    def __repr__(self) -> str:
        return f"<Release of {len(self.counts):,} noisy counts: {self._promise()}>"

    def _repr_html_(self) -> str:
        caption = f"One bar a cluster; the band is the noise, ±σ = {self.noise:.3g}."
        picture = bars(self.records.tolist(), f"{len(self.counts)} noisy counts", self.noise)
        facts = [self._promise(), f"for the index {self.index[:12]}"]
        return shown(f"Release of {len(self.counts):,} noisy counts", facts, picture, caption)

    def _promise(self) -> str:
        privacy = self.privacy
        return (
            f"ε = {privacy.epsilon:g} at δ = {privacy.delta:g} for {privacy.protects}, σ = {self.noise:.3g}"
        )

    def to_bytes(self) -> bytes:
        return self._packed(self.receipt)

    def _packed(self, receipt: bytes) -> bytes:
        tensors: Tensors = {"counts": self.counts}
        if receipt:
            tensors["receipt"] = np.frombuffer(receipt, np.uint8)
        version = _version(self.privacy)
        header = _Header(schema_version=version, probe=self.probe, index=self.index, privacy=self.privacy)
        return pack(header, tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> Release:
        """Decode and validate.

        Raises:
            ArtifactError: not a release, damaged, of another version, with a statement whose numbers do not follow from each
                other (`check_statement`), or with counts that no honest client can have: beyond 2⁵³, or negative by more
                than 40 σ.
        """
        header, tensors = unpack(data, _Header, "release", RELEASE_LIMIT)
        counts, receipt = tensors.pop("counts", None), tensors.pop("receipt", np.empty(0, np.uint8))
        if tensors or counts is None or counts.dtype != np.int64 or counts.ndim != 1 or not len(counts):
            raise ArtifactError(
                "a release holds one tensor, 'counts', of int64 and shape (R,), and perhaps a receipt"
            )
        if receipt.dtype != np.uint8 or receipt.ndim != 1 or len(receipt) > RECEIPT_LIMIT:
            raise ArtifactError(f"the receipt in a release is at most {RECEIPT_LIMIT} bytes")
        if header.schema_version != _version(header.privacy):
            raise ArtifactError(
                f"a release on a grid of {header.privacy.grid} is not of {header.schema_version}"
            )
        check_statement(header.privacy)
        lowest = -min(_LOWEST_NOISE * header.privacy.sigma, _LARGEST_COUNT)
        if counts.max() > _LARGEST_COUNT or counts.min() < lowest:
            raise ArtifactError(
                f"this release has counts from {counts.min()} to {counts.max()}; with noise of σ = "
                f"{header.privacy.sigma:g} no client can have such"
            )
        return cls(counts, header.probe, header.index, header.privacy, receipt.tobytes())

    @property
    def records(self) -> NDArray[np.float64]:
        """(R,) the counts in records: over the grid."""
        return self.counts / self.privacy.grid

    def adds_up_to(self, records: int) -> bool:
        """Whether the noisy counts are so many records or more, all together."""
        return int(self.counts.sum()) >= records * self.privacy.grid

    @property
    def noise(self) -> float:
        """The scale of the noise on every count, in records."""
        return self.privacy.noise

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the bytes that travel, less the receipt, which names it."""
        return fingerprint(self._packed(b""))


def _version(privacy: PrivacyStatement) -> Literal["proxyset.release/1", "proxyset.release/2"]:
    return "proxyset.release/1" if privacy.grid == 1 else "proxyset.release/2"
