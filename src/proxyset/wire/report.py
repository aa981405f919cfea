"""The report: a client's exact votes in two shares, each of them random by itself. The leader gets both, and can read one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from proxyset.errors import ArtifactError
from proxyset.fingerprint import fingerprint
from proxyset.wire.container import Strict, Tensors, pack, unpack
from proxyset.wire.release import RECEIPT_LIMIT
from proxyset.wire.task import Task

if TYPE_CHECKING:
    from nacl.signing import SigningKey

ID_BYTES = 16
PUBLIC_BYTES = 64
SEALED_BYTES = 48 + 32 + ID_BYTES + 32 + 64
REPORT_LIMIT = 32 << 20
_OVERHEAD = 16 << 10


class _Header(Strict):
    schema_version: Literal["proxyset.report/1"] = "proxyset.report/1"
    task: Task
    id: str = Field(pattern=r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Report:
    """One client's part of a sum. Its size depends on the task alone.

    Attributes:
        task: what it is for, and what it guarantees.
        id: 16 random bytes (the nonce of Prio3); it counts once.
        public: the public share, for both aggregators.
        leader: the leader's input share. Random by itself.
        helper: the helper's, sealed to the helper's key together with task, id and public share (`seal`).
        receipt: as in a release.
    """

    task: Task
    id: bytes
    public: bytes
    leader: bytes = field(repr=False)
    helper: bytes = field(repr=False)
    receipt: bytes = b""

    @property
    def probe(self) -> str:
        return self.task.probe

    @property
    def index(self) -> str:
        return self.task.index

    @property
    def privacy(self) -> Task:
        """What it guarantees is said by the task, assumptions and all."""
        return self.task

    def to_bytes(self) -> bytes:
        return self._packed(self.receipt)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the bytes that travel, less the receipt, which names it."""
        return fingerprint(self._packed(b""))

    def _packed(self, receipt: bytes) -> bytes:
        parts = {"public": self.public, "leader": self.leader, "helper": self.helper, "receipt": receipt}
        tensors: Tensors = {name: np.frombuffer(part, np.uint8) for name, part in parts.items() if part}
        return pack(_Header(task=self.task, id=self.id.hex()), tensors)

    @classmethod
    def from_bytes(cls, data: bytes, limit: int = REPORT_LIMIT) -> Report:
        """Decode and validate the form; whether it is a valid share, the two aggregators find out together.

        Raises:
            ArtifactError: not a report, damaged, of another version, or with parts of another size than the task's.
        """
        header, tensors = unpack(data, _Header, "report", limit)
        receipt = tensors.pop("receipt", np.empty(0, np.uint8))
        sizes = {"public": PUBLIC_BYTES, "leader": leader_bytes(header.task), "helper": SEALED_BYTES}
        if set(tensors) != set(sizes) or any(
            part.dtype != np.uint8 or part.shape != (sizes[name],) for name, part in tensors.items()
        ):
            raise ArtifactError(f"a report of this task holds the parts {sizes}, in bytes; this one does not")
        if receipt.dtype != np.uint8 or receipt.ndim != 1 or len(receipt) > RECEIPT_LIMIT:
            raise ArtifactError(f"the receipt in a report is at most {RECEIPT_LIMIT} bytes")
        public, leader, helper = (tensors[name].tobytes() for name in ("public", "leader", "helper"))
        return cls(header.task, bytes.fromhex(header.id), public, leader, helper, receipt.tobytes())


def leader_bytes(task: Task) -> int:
    """The size of the leader's share of a report."""
    flp = task.vdaf.flp
    return task.vdaf.field.size * (flp.measurement_length + flp.proof_length) + 32


def size_limit(task: Task) -> int:
    """The most bytes of a report of this task."""
    return leader_bytes(task) + _OVERHEAD


def seal(task: Task, id: bytes, public: bytes, share: bytes) -> bytes:
    """The helper's input share, for the helper alone. What it belongs to is sealed with it: a share that came once cannot come
    again under another id, or for another task, whoever tries.

    Raises:
        ArtifactError: the task's helper has no valid key.
    """
    from nacl.exceptions import CryptoError
    from nacl.public import SealedBox
    from nacl.signing import VerifyKey

    try:
        box = SealedBox(VerifyKey(bytes.fromhex(task.helper)).to_curve25519_public_key())
        return box.encrypt(_bound(task, id, public) + share)
    except (CryptoError, ValueError, RuntimeError):
        raise ArtifactError(
            f"{task.helper[:12]}… is not a public key: no share can be sealed to it"
        ) from None


def unseal(key: SigningKey, task: Task, id: bytes, public: bytes, sealed: bytes) -> bytes:
    """What `seal` sealed.

    Raises:
        ArtifactError: it was changed, is for another key, or belongs to another task, id or public share.
    """
    from nacl.exceptions import CryptoError
    from nacl.public import SealedBox

    try:
        opened = SealedBox(key.to_curve25519_private_key()).decrypt(sealed)
    except (CryptoError, ValueError):
        raise ArtifactError("the sealed share was changed, or is not for this helper") from None
    bound = _bound(task, id, public)
    if opened[: len(bound)] != bound:
        raise ArtifactError("the sealed share belongs to another task, report or public share")
    return opened[len(bound) :]


def _bound(task: Task, id: bytes, public: bytes) -> bytes:
    return bytes.fromhex(task.fingerprint) + id + hashlib.sha256(public).digest()
