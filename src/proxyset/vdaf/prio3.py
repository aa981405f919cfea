"""Prio3: clients share their measurements among aggregators that check them without seeing them, and add them up.

Sources: draft-irtf-cfrg-vdaf-18, section 7 (Prio3 and its variants); draft-ietf-ppm-l1-bound-sum-02 (Prio3L1BoundSum). The names
of the operations are the draft's. Prio3 has no aggregation parameter, so that none appears.

    client       shard                        a measurement → a public share, one input share an aggregator
    aggregator   verify_init                  its input share → a state, a verifier share for all
    anyone       verifier_shares_to_message   all verifier shares → a verifier message, or the report is dropped
    aggregator   verify_next                  state and message → its output share, or the report is dropped
    aggregator   agg_init, agg_update         output shares → its aggregate share
    collector    unshard                      all aggregate shares → the sum

*Sensitivity*: of the sum, when one report is added or removed: 1 in L1 and L2 for Prio3Histogram; max_value in L1 and L2 for
Prio3L1BoundSum; max_weight in L1 and its square root in L2 for Prio3MultihotCountVec; length · max_measurement in L1 and
√length · max_measurement in L2 for Prio3SumVec. *Unit*: one report; who may send how many is for the caller to enforce.

*Guarantee*: no noise is added here and the sum is exact, so nothing here is differentially private. Aggregators, all but one of
whom may share what they know and deviate as they like, learn nothing about an honest client's measurement beyond what the sum
tells; this is computational, and rests on TurboSHAKE128. A report of a client that does not encode a valid measurement is
dropped, but for a negligible chance, as long as all aggregators follow the protocol: a deviating one can spoil the sum.

*Assumes*: nonce and rand of `shard` come from a cryptographic generator and are used once; the verify key is known to the
aggregators only and fixed before the first report; each aggregator accepts a nonce once; all agree on instance and ctx, which is
not checked for parameters that give messages of the same size; at least one aggregator is honest (secrecy), all are
(correctness). Arithmetic is not constant-time: see `proxyset.vdaf`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from proxyset.errors import InvalidInput, InvalidReport
from proxyset.vdaf.circuits import Circuit, Histogram, L1BoundSum, MultihotCountVec, SumVec
from proxyset.vdaf.field import Field, Field64, Field128, Vector, check_size
from proxyset.vdaf.flp import Flp, Query
from proxyset.vdaf.messages import (
    Codec,
    HelperShare,
    InputShare,
    LeaderShare,
    PublicShare,
    VerifierShare,
    VerifyState,
)
from proxyset.vdaf.xof import SEED_SIZE, derive_seed, expand_into_vec

M = TypeVar("M")

VERSION = 18
"""The draft's version, part of every domain separation tag."""

_MEASUREMENT_SHARE, _PROOF_SHARE, _JOINT_RANDOMNESS, _PROVE_RANDOMNESS = 1, 2, 3, 4
_QUERY_RANDOMNESS, _JOINT_RAND_SEED, _JOINT_RAND_PART = 5, 6, 7
_BATCH_ELEMENTS = 1 << 16
"""Elements that are verified in one go: enough that a call of NumPy is worth it, few enough for a core's memory."""


@dataclass(frozen=True)
class Report:
    """What one aggregator verifies.

    Attributes:
        nonce: the client's, 16 bytes; also what to recognise a replay by.
        public_share, input_share: as decoded.
    """

    nonce: bytes
    public_share: PublicShare
    input_share: InputShare


class Prio3(Codec, Generic[M]):
    """Prio3 for one circuit, and the bytes of its messages.

    Args:
        shares: the number of aggregators, 2 to 255.
        algorithm: the VDAF's identifier.
        circuit: the validity circuit.
        proofs: how many proofs, 1 to 255.

    Raises:
        InvalidInput: parameters out of range.
    """

    NONCE_SIZE = 16
    VERIFY_KEY_SIZE = SEED_SIZE

    def __init__(self, shares: int, algorithm: int, circuit: Circuit[M], proofs: int = 1) -> None:
        if not 2 <= shares <= 255:
            raise InvalidInput(f"shares is {shares}; there must be 2 to 255 aggregators")
        if not 1 <= proofs <= 255:
            raise InvalidInput(f"proofs is {proofs}; there must be 1 to 255")
        self.circuit = circuit
        self.flp = flp = Flp(circuit)
        super().__init__(
            circuit.field,
            shares,
            flp.measurement_length,
            flp.output_length,
            flp.proof_length * proofs,
            flp.verifier_length * proofs,
        )
        self.proofs = proofs
        self.algorithm = algorithm
        self.rand_size = 2 * shares * SEED_SIZE

    def shard(
        self, ctx: bytes, measurement: M, nonce: bytes, rand: bytes
    ) -> tuple[PublicShare, list[InputShare]]:
        """Splits a measurement; for the client (section 7.2.1).

        Args:
            ctx: the application's context, the same for all parties.
            measurement: what the circuit takes.
            nonce: `NONCE_SIZE` bytes from a cryptographic generator.
            rand: `rand_size` bytes from a cryptographic generator, secret, never used again.

        Returns:
            The public share for all, and the input shares in the order of the aggregators.

        Raises:
            InvalidInput: the measurement is not valid, or nonce, rand or ctx has a wrong size.

        *Sensitivity*, *Unit*, *Guarantee* and *Assumes*: those of the module.
        """
        check_size(nonce, self.NONCE_SIZE, "nonce")
        check_size(rand, self.rand_size, "rand")
        encoded = self.field.zeros(self.flp.measurement_length)
        encoded[:, 0] = self.circuit.encode(measurement)
        seeds = [rand[start : start + SEED_SIZE] for start in range(0, self.rand_size, SEED_SIZE)]
        *pairs, leader_blind, prove_seed = seeds
        helpers = [HelperShare(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)]

        share = encoded
        parts = []
        for agg_id, helper in enumerate(helpers, start=1):
            helper_share = self._helper_measurement(ctx, agg_id, helper.seed)
            share = self.field.sub(share, helper_share)
            parts.append(self._joint_rand_part(ctx, agg_id, helper.blind, helper_share, nonce))
        parts.insert(0, self._joint_rand_part(ctx, 0, leader_blind, share, nonce))

        flp = self.flp
        joint_rands = self._joint_rands(ctx, self._joint_rand_seed(ctx, parts))
        prove_rands = self._expand(
            ctx, _PROVE_RANDOMNESS, prove_seed, bytes([self.proofs]), flp.prove_rand_length * self.proofs
        )
        rands = zip(
            self._each(prove_rands, flp.prove_rand_length),
            self._each(joint_rands, flp.joint_rand_length),
            strict=True,
        )
        proofs_share = np.concatenate([flp.prove(encoded, *each) for each in rands])
        for agg_id, helper in enumerate(helpers, start=1):
            proofs_share = self.field.sub(proofs_share, self._helper_proofs(ctx, agg_id, helper.seed))
        return PublicShare(tuple(parts)), [LeaderShare(share, proofs_share, leader_blind), *helpers]

    def verify_init(
        self,
        verify_key: bytes,
        ctx: bytes,
        agg_id: int,
        nonce: bytes,
        public_share: PublicShare,
        input_share: InputShare,
    ) -> tuple[VerifyState, VerifierShare]:
        """Begins to verify one report; for aggregator `agg_id` (section 7.2.2).

        Args:
            verify_key: `VERIFY_KEY_SIZE` bytes, shared by the aggregators and unknown to clients.
            ctx: as of `shard`.
            agg_id: this aggregator, 0 (the leader) to shares − 1.
            nonce, public_share, input_share: the report.

        Returns:
            What to keep for `verify_next`, and what to send.

        Raises:
            InvalidInput: an argument of a wrong size or kind.
            InvalidReport: the report's query point cannot be used (a chance of n / p for wires of n points). Drop it.
        """
        report = Report(nonce, public_share, input_share)
        (result,) = self.verify_init_many(verify_key, ctx, agg_id, [report])
        if isinstance(result, InvalidReport):
            raise result
        return result

    def verify_init_many(
        self, verify_key: bytes, ctx: bytes, agg_id: int, reports: Iterable[Report]
    ) -> Iterator[tuple[VerifyState, VerifierShare] | InvalidReport]:
        """`verify_init` for many reports, in order: the same results, faster for small measurements. Ours.

        A report that cannot be verified gives its error instead of raising it.
        """
        check_size(verify_key, self.VERIFY_KEY_SIZE, "verify key")
        if not 0 <= agg_id < self.shares:
            raise InvalidInput(f"aggregator {agg_id} of {self.shares}; the first is 0")
        waiting = iter(reports)
        at_once = max(1, _BATCH_ELEMENTS // self.flp.measurement_length)
        while some := list(islice(waiting, at_once)):
            yield from self._verify_init_some(verify_key, ctx, agg_id, some)

    def verifier_shares_to_message(self, ctx: bytes, verifier_shares: Sequence[VerifierShare]) -> bytes:
        """Decides on a report from the verifier shares of all aggregators, in their order (section 7.2.2).

        Returns:
            The verifier message for `verify_next`.

        Raises:
            InvalidInput: not one share an aggregator.
            InvalidReport: the proof does not hold. Drop the report.
        """
        if len(verifier_shares) != self.shares:
            raise InvalidInput(f"{len(verifier_shares)} verifier shares from {self.shares} aggregators")
        total = reduce(self.field.add, (share.verifiers for share in verifier_shares))
        if not all(self.flp.decide(verifier) for verifier in self._each(total, self.flp.verifier_length)):
            raise InvalidReport(
                "the report's proof does not hold: its measurement is not valid. Drop the report"
            )
        return self._joint_rand_seed(ctx, [share.joint_rand_part for share in verifier_shares])

    def verify_next(self, ctx: bytes, verify_state: VerifyState, verifier_message: bytes) -> Vector:
        """Ends the verification; for each aggregator (section 7.2.2).

        Returns:
            The output share, (output_length, words), for `agg_update`.

        Raises:
            InvalidReport: the client's joint randomness was not that of its shares. Drop the report.
        """
        if verifier_message != verify_state.joint_rand_seed:
            raise InvalidReport("the report's joint randomness is not that of its shares. Drop the report")
        return verify_state.out_share

    def agg_init(self) -> Vector:
        """An empty aggregate share, (output_length, words)."""
        return self.field.zeros(self.flp.output_length)

    def agg_update(self, agg_share: Vector, out_share: Vector) -> Vector:
        """The aggregate share with one more output share (section 7.2.4). Noise is added in the same way:

        vdaf.agg_update(agg_share, vdaf.field.vector(noise)) for integers of either sign.
        """
        return self.field.add(agg_share, out_share)

    def merge(self, agg_shares: Iterable[Vector]) -> Vector:
        """One aggregate share of several, or of output shares: `agg_init`, then `agg_update` with each."""
        return reduce(self.field.add, agg_shares, self.agg_init())

    def unshard(
        self, agg_shares: Sequence[Vector], num_measurements: int, *, signed: bool = False
    ) -> list[int]:
        """The sum of all verified measurements; for the collector (section 7.2.5).

        Args:
            agg_shares: one an aggregator.
            num_measurements: how many reports each has added; the same for all.
            signed: read the upper half of the field as negative numbers, which totals with noise may be. Ours.

        Raises:
            InvalidInput: not one share an aggregator, or no measurement.

        *Sensitivity*, *Unit*, *Guarantee* and *Assumes*: those of the module.
        """
        if len(agg_shares) != self.shares:
            raise InvalidInput(f"{len(agg_shares)} aggregate shares from {self.shares} aggregators")
        if num_measurements < 1:
            raise InvalidInput(f"{num_measurements} measurements; there must be at least one")
        sums = self.field.ints(self.merge(agg_shares))
        return [self.field.centered(value) for value in sums] if signed else sums

    def _verify_init_some(
        self, verify_key: bytes, ctx: bytes, agg_id: int, reports: Sequence[Report]
    ) -> Iterator[tuple[VerifyState, VerifierShare] | InvalidReport]:
        flp = self.flp
        measurements, queries, parts, seeds = [], [], [], []
        for report in reports:
            check_size(report.nonce, self.NONCE_SIZE, "nonce")
            if len(report.public_share.joint_rand_parts) != self.shares:
                raise InvalidInput(f"the public share is not one of {self.shares} aggregators")
            measurement, proofs, blind = self._expanded(ctx, agg_id, report.input_share)
            part = self._joint_rand_part(ctx, agg_id, blind, measurement, report.nonce)
            stated = report.public_share.joint_rand_parts
            seed = self._joint_rand_seed(ctx, [*stated[:agg_id], part, *stated[agg_id + 1 :]])
            query_rands = self._expand(
                ctx,
                _QUERY_RANDOMNESS,
                verify_key,
                bytes([self.proofs]) + report.nonce,
                flp.query_rand_length * self.proofs,
            )
            queries.append(
                [
                    Query(*each)
                    for each in zip(
                        self._each(proofs, flp.proof_length),
                        self._each(query_rands, flp.query_rand_length),
                        self._each(self._joint_rands(ctx, seed), flp.joint_rand_length),
                        strict=True,
                    )
                ]
            )
            measurements.append(measurement)
            parts.append(part)
            seeds.append(seed)
        out_shares, verifiers = flp.query(measurements, queries, self.shares)
        for out_share, verifier, part, seed in zip(out_shares, verifiers, parts, seeds, strict=True):
            if isinstance(verifier, InvalidReport):
                yield verifier
            else:
                share = VerifierShare(np.concatenate(verifier), part)
                yield VerifyState(out_share, seed), share

    def _expanded(self, ctx: bytes, agg_id: int, share: InputShare) -> tuple[Vector, Vector, bytes]:
        if isinstance(share, LeaderShare) != (agg_id == 0):
            raise InvalidInput(f"the input share is not one of aggregator {agg_id}; the leader is 0")
        if isinstance(share, LeaderShare):
            return share.measurement, share.proofs, share.blind
        measurement = self._helper_measurement(ctx, agg_id, share.seed)
        return measurement, self._helper_proofs(ctx, agg_id, share.seed), share.blind

    def _helper_measurement(self, ctx: bytes, agg_id: int, seed: bytes) -> Vector:
        return self._expand(ctx, _MEASUREMENT_SHARE, seed, bytes([agg_id]), self.flp.measurement_length)

    def _helper_proofs(self, ctx: bytes, agg_id: int, seed: bytes) -> Vector:
        binder = bytes([self.proofs, agg_id])
        return self._expand(ctx, _PROOF_SHARE, seed, binder, self.flp.proof_length * self.proofs)

    def _joint_rand_part(self, ctx: bytes, agg_id: int, blind: bytes, share: Vector, nonce: bytes) -> bytes:
        binder = bytes([agg_id]) + nonce + self.field.encode(share)
        return derive_seed(blind, self._dst(_JOINT_RAND_PART, ctx), binder)

    def _joint_rand_seed(self, ctx: bytes, parts: Sequence[bytes]) -> bytes:
        return derive_seed(bytes(SEED_SIZE), self._dst(_JOINT_RAND_SEED, ctx), b"".join(parts))

    def _joint_rands(self, ctx: bytes, seed: bytes) -> Vector:
        length = self.flp.joint_rand_length * self.proofs
        return self._expand(ctx, _JOINT_RANDOMNESS, seed, bytes([self.proofs]), length)

    def _expand(self, ctx: bytes, usage: int, seed: bytes, binder: bytes, length: int) -> Vector:
        return expand_into_vec(self.field, seed, self._dst(usage, ctx), binder, length)

    def _dst(self, usage: int, ctx: bytes) -> bytes:
        """The domain separation tag (section 6.2.3): version, class of algorithm (0: VDAF), algorithm, usage, context."""
        tag = bytes([VERSION, 0]) + self.algorithm.to_bytes(4, "big") + usage.to_bytes(2, "big") + ctx
        if len(tag) >= 1 << 16:
            raise InvalidInput(f"ctx has {len(ctx)} bytes; at most {(1 << 16) - 9} fit")
        return tag

    def _each(self, vectors: Vector, length: int) -> list[Vector]:
        """One vector a proof from all of them."""
        return list(vectors.reshape(self.proofs, length, self.field.words))


class Prio3SumVec(Prio3[Sequence[int]]):
    """Sums of vectors of `length` integers in [0, max_measurement] (section 7.4.3)."""

    def __init__(self, shares: int, length: int, max_measurement: int, chunk_length: int) -> None:
        super().__init__(shares, 0x00000003, SumVec(Field128, length, chunk_length, max_measurement))


class Prio3SumVecWithMultiproof(Prio3[Sequence[int]]):
    """Prio3SumVec over the small field: half the bytes a component, three proofs. Experimental in the draft.

    Raises:
        InvalidInput: fewer than three proofs over Field64 (section 9.6), or fewer than one.
    """

    def __init__(
        self, shares: int, field: Field, proofs: int, length: int, max_measurement: int, chunk_length: int
    ) -> None:
        if field is Field64 and proofs < 3:
            raise InvalidInput(f"{proofs} proofs over Field64 can be forged offline; use at least 3")
        super().__init__(shares, 0xFFFFFFFF, SumVec(field, length, chunk_length, max_measurement), proofs)


class Prio3Histogram(Prio3[int]):
    """Counts of `length` buckets, where each measurement is one bucket (section 7.4.4)."""

    def __init__(self, shares: int, length: int, chunk_length: int) -> None:
        super().__init__(shares, 0x00000004, Histogram(Field128, length, chunk_length))


class Prio3MultihotCountVec(Prio3[Sequence[int]]):
    """Counts of `length` flags, at most `max_weight` of which are set in a measurement (section 7.4.5)."""

    def __init__(self, shares: int, length: int, max_weight: int, chunk_length: int) -> None:
        super().__init__(shares, 0x00000005, MultihotCountVec(Field128, length, chunk_length, max_weight))


class Prio3L1BoundSum(Prio3[Sequence[int]]):
    """Sums of vectors of `length` non-negative integers that add up to at most `max_value`.

    Source: draft-ietf-ppm-l1-bound-sum-02.
    """

    def __init__(self, shares: int, length: int, max_value: int, chunk_length: int) -> None:
        super().__init__(shares, 0x00000007, L1BoundSum(Field128, length, chunk_length, max_value))
