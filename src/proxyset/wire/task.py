"""A task: what the clients, the leader and the helper of a two-party sum agree on before the first report. All of it is public.

Two aggregators add up what many clients answer to one probe (`proxyset.vdaf`): the leader, who runs the campaign, and the helper,
whom another organisation runs. Each of the two adds noise of its own to its share of the sum, once, before the share leaves it.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from proxyset.errors import ArtifactError
from proxyset.fingerprint import fingerprint
from proxyset.wire.container import Sha256, Strict
from proxyset.wire.release import PrivacyStatement, check_statement
from proxyset.wire.signing import public_half

if TYPE_CHECKING:
    from nacl.signing import SigningKey

    from proxyset.vdaf import Prio3L1BoundSum

MOST_VOTES = (1 << 20) - 1
MOST_CLUSTERS = 20_000


class Task(Strict):
    """One sum.

    Attributes:
        campaign: its name.
        probe, index, clusters: fingerprints of what is answered, and R.
        most: the most votes of one report. A proof holds every client to it.
        privacy: what the noise of ONE aggregator gives each unit of a client's data, in the one opening of the sum.
        minimum: the fewest reports of a sum that is opened.
        floor: ε of one vote against both aggregators together: each vote is randomised at home before it is shared
            (`client.shards`). 0: votes are exact, and both together read them.
        leader, helper: their Ed25519 public keys. The helper's shares are sealed to its key.
        nonce: random; the same campaign begun twice is two tasks.

    Sensitivity:
        privacy.l2_sensitivity, of the sum: `client.shares` bounds what one unit adds to a report, and each report counts once.
    Unit:
        privacy.unit.
    Guarantee:
        Against the leader, and whoever works with it, the sum is privacy.rho-zCDP by the helper's noise; against the helper, by
        the leader's; against everybody else by either. Nobody but the owner learns a single report. With a floor, who opens a
        report all the same, by whatever means, learns of each vote what is floor-DP, and of all its `most` votes most · floor.
    Assumes:
        One of the two follows the protocol: it keeps its key and its shares, adds the noise, and opens once. TurboSHAKE128 and
        libsodium's sealed boxes hold. Together the two can open every single report: then nothing but the floor is promised.
    """

    schema_version: Literal["proxyset.task/1"] = "proxyset.task/1"
    campaign: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    probe: Sha256
    index: Sha256
    clusters: int = Field(ge=1, le=MOST_CLUSTERS)
    most: int = Field(ge=1, le=MOST_VOTES)
    privacy: PrivacyStatement
    minimum: int = Field(ge=2, le=100_000_000)
    floor: float = Field(default=0, ge=0, le=20)
    leader: Sha256
    helper: Sha256
    nonce: Sha256

    @model_validator(mode="after")
    def _makes_sense(self) -> Task:
        if self.leader == self.helper:
            raise ValueError("leader and helper have one key: a sum of two parties needs two")
        if self.privacy.grid != 1:
            raise ValueError(f"a report counts records one by one, not on a grid of {self.privacy.grid}")
        if self.privacy.max_records > self.most:
            raise ValueError(
                f"one {self.privacy.unit} may have {self.privacy.max_records} votes, a report at most {self.most}"
            )
        if self.floor and (self.privacy.unit, self.privacy.max_records) != ("person", self.most):
            raise ValueError(
                f"a floor is for clients who are one person with as many votes as a report has: unit person, {self.most} records"
            )
        try:
            check_statement(self.privacy)
        except ArtifactError as error:
            raise ValueError(str(error)) from None
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A task without a floor is, byte for byte, what it was before there were floors."""
        return {key: value for key, value in fields(self).items() if key != "floor" or value}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON of all of it."""
        return fingerprint(self.model_dump(mode="json"))

    @property
    def ctx(self) -> bytes:
        """The application's context of every message of Prio3: a share of one task is worth nothing in another."""
        return b"proxyset two-party sum\n" + bytes.fromhex(self.fingerprint)

    @property
    def vdaf(self) -> Prio3L1BoundSum:
        """The verifiable sum with these parameters. Raises MissingExtra, when it is used, without PyCryptodome."""
        return _vdaf(self.clusters, self.most)

    @property
    def truthful(self) -> Fraction:
        """The chance that a vote is sent as it is, rather than drawn evenly from the R clusters and "none" (k = R + 1 answers).

        γ/2⁵³ with the largest γ for which no answer is more than e^floor times as likely under one vote as under another,
        1 + k γ/(2⁵³ − γ) ≤ e^floor; e^floor − 1 is rounded down. 1 without a floor.
        """
        if not self.floor:
            return Fraction(1)
        odds = Fraction(math.expm1(self.floor)) * (1 - Fraction(1, 1 << 50))
        return Fraction(math.floor((1 << 53) * odds / (self.clusters + 1 + odds)), 1 << 53)

    @property
    def per_cluster(self) -> int:
        """The most votes that a report of many units gives one cluster, so that all of them stay within `most`."""
        return self.most // self.clusters

    def verify_key(self, key: SigningKey) -> bytes:
        """The secret of the two aggregators by which they verify: fixed with the task, before any report. Clients lack it.

        Args:
            key: the leader's or the helper's private key.
        """
        other = self.helper if public_half(key) == self.leader else self.leader
        task, secret = bytes.fromhex(self.fingerprint), _agreed(key, other)
        return hashlib.blake2b(task, key=secret, digest_size=32, person=b"proxyset verify").digest()

    def words(self) -> str:
        """One line for people and for the ledger: who must be honest, and what follows."""
        least = f"; then each vote keeps ε = {self.floor:g}, randomised at home" if self.floor else ""
        return (
            f"two-party sum of campaign {self.campaign}: opened once, from at least {self.minimum:,} reports, with noise of "
            f"σ = {self.privacy.sigma:g} by each aggregator; holds unless the leader {self.leader[:12]} and the helper "
            f"{self.helper[:12]} work together{least}"
        )


def _agreed(key: SigningKey, other: str) -> bytes:
    """The secret, 32 bytes, that the owner of this key and the owner of the other one have in common and nobody else.

    X25519 (RFC 7748) of the two keys in their Montgomery form, hashed with both public halves by BLAKE2b. One key may serve for
    Ed25519 and X25519 (Thormarker, On using the same key pair for Ed25519 and an X25519 based KEM, 2021).

    Raises:
        ArtifactError: the other is not a public key.
    """
    from nacl.bindings import crypto_scalarmult
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    try:
        theirs = VerifyKey(bytes.fromhex(other)).to_curve25519_public_key()
        shared = crypto_scalarmult(bytes(key.to_curve25519_private_key()), bytes(theirs))
    except (CryptoError, ValueError, RuntimeError):
        raise ArtifactError(f"{other[:12]}… is not a public key") from None
    halves = "".join(sorted((public_half(key), other)))
    return hashlib.blake2b(shared + halves.encode(), digest_size=32, person=b"proxyset agreed").digest()


@lru_cache(maxsize=16)
def _vdaf(clusters: int, most: int) -> Prio3L1BoundSum:
    from proxyset.vdaf import Prio3L1BoundSum, best_chunk_length

    return Prio3L1BoundSum(2, clusters, most, best_chunk_length((clusters + 1) * most.bit_length()))
