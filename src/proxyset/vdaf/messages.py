"""The messages of Prio3 and their bytes (draft-irtf-cfrg-vdaf-18, section 7.2.6).

Decoding is strict: too few or too many bytes, or a field element that is not canonical, is an `ArtifactError`, and what is
decoded encodes to the same bytes. Nothing here says which circuit a message belongs to: the parameters are agreed beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from proxyset.errors import ArtifactError
from proxyset.vdaf.field import Field, Vector
from proxyset.vdaf.xof import SEED_SIZE


@dataclass(frozen=True)
class PublicShare:
    """What every aggregator gets from the client: a commitment to each input share, of `SEED_SIZE` bytes."""

    joint_rand_parts: tuple[bytes, ...]


@dataclass(frozen=True, eq=False)
class LeaderShare:
    """The input share of aggregator 0. Secret.

    Attributes:
        measurement: (measurement_length, words).
        proofs: one after the other, (proofs · proof_length, words).
        blind: `SEED_SIZE` bytes.
    """

    measurement: Vector = field(repr=False)
    proofs: Vector = field(repr=False)
    blind: bytes = field(repr=False)


@dataclass(frozen=True)
class HelperShare:
    """The input share of any other aggregator: the seed of its shares of measurement and proofs. Secret."""

    seed: bytes = field(repr=False)
    blind: bytes = field(repr=False)


InputShare: TypeAlias = LeaderShare | HelperShare


@dataclass(frozen=True, eq=False)
class VerifierShare:
    """What an aggregator tells the others in the one round of verification.

    Attributes:
        verifiers: one after the other, (proofs · verifier_length, words).
        joint_rand_part: `SEED_SIZE` bytes.
    """

    verifiers: Vector
    joint_rand_part: bytes


@dataclass(frozen=True, eq=False)
class VerifyState:
    """What an aggregator keeps between `verify_init` and `verify_next`. Secret.

    Attributes:
        out_share: (output_length, words).
        joint_rand_seed: as it follows from this aggregator's input share.
    """

    out_share: Vector = field(repr=False)
    joint_rand_seed: bytes = field(repr=False)


class Codec:
    """The bytes of every message of one instance.

    Args:
        field: the field.
        shares: the number of aggregators.
        measurement_length, output_length: elements of a measurement share and of an output or aggregate share.
        proofs_length, verifiers_length: elements of all proofs and of all verifiers together.
    """

    def __init__(
        self,
        field: Field,
        shares: int,
        measurement_length: int,
        output_length: int,
        proofs_length: int,
        verifiers_length: int,
    ) -> None:
        self.field = field
        self.shares = shares
        self._measurement_length = measurement_length
        self._output_length = output_length
        self._proofs_length = proofs_length
        self._verifiers_length = verifiers_length

    def encode_public_share(self, public_share: PublicShare) -> bytes:
        """shares · 32 bytes."""
        return b"".join(public_share.joint_rand_parts)

    def decode_public_share(self, encoded: bytes) -> PublicShare:
        """The reverse. Raises ArtifactError."""
        _check(encoded, self.shares * SEED_SIZE, "public share")
        starts = range(0, len(encoded), SEED_SIZE)
        return PublicShare(tuple(encoded[start : start + SEED_SIZE] for start in starts))

    def encode_input_share(self, input_share: InputShare) -> bytes:
        """Leader: measurement, proofs, blind. Helper: seed, blind (64 bytes)."""
        if isinstance(input_share, LeaderShare):
            vectors = self.field.encode(input_share.measurement) + self.field.encode(input_share.proofs)
            return vectors + input_share.blind
        return input_share.seed + input_share.blind

    def decode_input_share(self, agg_id: int, encoded: bytes) -> InputShare:
        """The reverse, for aggregator `agg_id` in [0, shares). Raises ArtifactError."""
        if agg_id > 0:
            _check(encoded, 2 * SEED_SIZE, "input share")
            return HelperShare(encoded[:SEED_SIZE], encoded[SEED_SIZE:])
        size = self.field.size
        ends = self._measurement_length * size, (self._measurement_length + self._proofs_length) * size
        _check(encoded, ends[1] + SEED_SIZE, "input share")
        return LeaderShare(
            self.field.decode(encoded[: ends[0]], self._measurement_length, "measurement share"),
            self.field.decode(encoded[ends[0] : ends[1]], self._proofs_length, "proofs share"),
            encoded[ends[1] :],
        )

    def encode_verifier_share(self, verifier_share: VerifierShare) -> bytes:
        """Verifiers, then the part of the joint randomness."""
        return self.field.encode(verifier_share.verifiers) + verifier_share.joint_rand_part

    def decode_verifier_share(self, encoded: bytes) -> VerifierShare:
        """The reverse. Raises ArtifactError."""
        end = self._verifiers_length * self.field.size
        _check(encoded, end + SEED_SIZE, "verifier share")
        return VerifierShare(
            self.field.decode(encoded[:end], self._verifiers_length, "verifier share"), encoded[end:]
        )

    def encode_verifier_message(self, verifier_message: bytes) -> bytes:
        """The seed of the joint randomness, 32 bytes."""
        return verifier_message

    def decode_verifier_message(self, encoded: bytes) -> bytes:
        """The reverse. Raises ArtifactError."""
        return _check(encoded, SEED_SIZE, "verifier message")

    def encode_agg_share(self, agg_share: Vector) -> bytes:
        """The elements."""
        return self.field.encode(agg_share)

    def decode_agg_share(self, encoded: bytes) -> Vector:
        """The reverse. Raises ArtifactError."""
        return self.field.decode(encoded, self._output_length, "aggregate share")


def _check(encoded: bytes, size: int, what: str) -> bytes:
    if len(encoded) != size:
        raise ArtifactError(
            f"{what}: {len(encoded)} bytes, {size} expected. It was cut, or comes from other parameters"
        )
    return encoded
