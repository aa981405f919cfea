"""The receipt: signed by the client's key, it ties a release to the policy and the ledger it was paid from.

It travels inside the release; both sides keep it and can verify it offline. It commits to one ledger entry and to the policy, and
tells nothing else of the ledger: not how many answers others got, not what is left, and no word of the entry or the policy, which
both are hashed together with 32 random bytes that stay in the ledger. An owner who wants to open a commitment shows the entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from proxyset.errors import ArtifactError, first_problem
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire.container import Sha256, Strict
from proxyset.wire.questions import LabelRelease, LabelStatement
from proxyset.wire.release import RECEIPT_LIMIT, PrivacyStatement, Release
from proxyset.wire.report import Report
from proxyset.wire.server_name import SERVER_LIMIT
from proxyset.wire.signing import sign, verify
from proxyset.wire.task import Task

if TYPE_CHECKING:
    from nacl.signing import SigningKey


class Claim(Strict):
    """What a receipt says.

    Attributes:
        release, probe, index: fingerprints of what was sent, of what it answers, and of the index behind that.
        server: who asked, as the client calls it.
        privacy: what the release guarantees: counts or labels; of a report, its task.
        policy: commitment to the client's policy in force, or to having none (`commitment`). In version 1: SHA-256 of its text.
        head: hash of a ledger entry with a nonce: the one that stored the release, or a later one. In version 1 without a nonce.
        key: the client's Ed25519 public key, hexadecimal.
    """

    schema_version: Literal["proxyset.receipt/1", "proxyset.receipt/2"] = "proxyset.receipt/2"
    release: Sha256
    probe: Sha256
    index: Sha256
    server: str = Field(max_length=SERVER_LIMIT)
    privacy: PrivacyStatement | LabelStatement | Task
    policy: str = Field(pattern=r"^([0-9a-f]{64})?$")
    head: Sha256
    key: Sha256


class _Signed(Strict):
    claim: Claim
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


@dataclass(frozen=True)
class Receipt:
    """A claim and the Ed25519 signature (RFC 8032) of its canonical JSON. `from_bytes` has verified it."""

    claim: Claim
    signature: str

    @classmethod
    def sign(cls, claim: Claim, key: SigningKey) -> Receipt:
        """Sign a claim. Ed25519 takes no randomness: the same claim gives the same bytes."""
        return cls(claim, sign(key, _message(claim)))

    def to_bytes(self) -> bytes:
        fields: dict[str, Any] = {"claim": self.claim.model_dump(mode="json"), "signature": self.signature}
        return canonical_json(fields)

    @classmethod
    def from_bytes(cls, data: bytes, key: str | None = None) -> Receipt:
        """Decode and verify.

        Args:
            data: as received; nothing in it is trusted.
            key: the public key expected, hexadecimal; None takes the receipt's own, which shows that nobody changed the
                receipt, not who made it.

        Raises:
            ArtifactError: not a receipt, of another version, changed, or signed by another key.
        """
        if len(data) > RECEIPT_LIMIT:
            raise ArtifactError(f"this receipt has {len(data)} bytes, more than the {RECEIPT_LIMIT} accepted")
        try:
            signed = _Signed.model_validate_json(data)
        except ValidationError as error:
            raise ArtifactError(f"this is not a receipt: {first_problem(error)}") from None
        if key is not None and key != signed.claim.key:
            raise ArtifactError(f"this receipt was signed by {signed.claim.key}, not by {key}")
        verify(signed.claim.key, signed.signature, _message(signed.claim), "receipt")
        return cls(signed.claim, signed.signature)

    @classmethod
    def of(cls, release: Release | LabelRelease | Report, key: str | None = None) -> Receipt | None:
        """The receipt that travels with a release, or None when none does.

        Args:
            release: as received.
            key: as for `from_bytes`.

        Raises:
            ArtifactError: it is damaged, signed by another key, or for another release.
        """
        if not release.receipt:
            return None
        receipt = cls.from_bytes(release.receipt, key)
        if not receipt.covers(release):
            raise ArtifactError(
                f"the receipt in this release is for {receipt.claim.release[:12]}…, not for {release.fingerprint[:12]}…"
            )
        return receipt

    def covers(self, release: Release | LabelRelease | Report) -> bool:
        """Whether this receipt is for exactly that release."""
        claimed = (self.claim.release, self.claim.probe, self.claim.index, self.claim.privacy)
        return claimed == (release.fingerprint, release.probe, release.index, release.privacy)


def commitment(nonce: str, value: str) -> str:
    """What is shown in the place of a value that could be guessed: nobody without the nonce can check a guess, and whoever is shown
    the two can check them."""
    return fingerprint(["proxyset commitment", nonce, value])


def _message(claim: Claim) -> bytes:
    return b"proxyset receipt\n" + canonical_json(claim.model_dump(mode="json"))
