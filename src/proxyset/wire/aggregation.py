"""What leader and helper of a two-party sum say to each other: two requests, each of which may be sent again without harm.

job      reports to verify and count, with the leader's half of each verification   → a verdict, and the other half, for each
opening  "these were counted; open your share"                                      → the helper's share of the sum, with noise
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from proxyset.errors import ArtifactError, first_problem
from proxyset.wire.container import Sha256, Strict, Tensors, pack, unpack
from proxyset.wire.report import ID_BYTES, PUBLIC_BYTES, SEALED_BYTES
from proxyset.wire.task import Task

JOB_LIMIT = 64 << 20
MOST_REPORTS = 1024  # of one job
MESSAGE_BYTES = 32

Bytes = NDArray[np.uint8]


class Verdict(IntEnum):
    """What becomes of a report."""

    accepted = 0
    damaged = 1  # a share that is no share of this report: changed, cut, sealed to another key
    invalid = 2  # the proof does not hold: the votes are not what any client may send
    repeated = 3  # its id was counted before


class _JobHeader(Strict):
    schema_version: Literal["proxyset.job/1"] = "proxyset.job/1"
    task: Task
    number: int = Field(ge=0, le=1 << 40)


@dataclass(frozen=True, eq=False)
class Job:
    """Up to 1,024 reports of a task, n of them.

    Attributes:
        number: of this job in its task; the same number is the same job.
        ids: (n, 16) uint8, each once. public: (n, 64). sealed: (n, 192). verifiers: (n, v), the leader's verifier shares.
    """

    task: Task
    number: int
    ids: Bytes
    public: Bytes
    sealed: Bytes
    verifiers: Bytes
    data: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        tensors: Tensors = {name: getattr(self, name) for name in ("ids", "public", "sealed", "verifiers")}
        return pack(_JobHeader(task=self.task, number=self.number), tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> Job:
        """Decode and validate.

        Raises:
            ArtifactError: not a job, damaged, of another version, too large, with arrays of impossible shape, or with an id twice.
        """
        header, tensors = unpack(data, _JobHeader, "job", JOB_LIMIT)
        n = len(tensors.get("ids", ()))
        expected = {
            "ids": ID_BYTES, "public": PUBLIC_BYTES, "sealed": SEALED_BYTES, "verifiers": verifier_bytes(header.task),
        }  # fmt: skip
        if not 1 <= n <= MOST_REPORTS or set(tensors) != set(expected):
            raise ArtifactError(f"a job holds 1 to {MOST_REPORTS} reports and the arrays {sorted(expected)}")
        for name, width in expected.items():
            if tensors[name].dtype != np.uint8 or tensors[name].shape != (n, width):
                raise ArtifactError(f"the array {name!r} of this job is not ({n}, {width}) bytes")
        if len({row.tobytes() for row in tensors["ids"]}) != n:
            raise ArtifactError("this job names a report twice")
        return cls(header.task, header.number, **tensors, data=data)


class _VerdictsHeader(Strict):
    schema_version: Literal["proxyset.verdicts/1"] = "proxyset.verdicts/1"
    task: Sha256
    number: int


@dataclass(frozen=True, eq=False)
class Verdicts:
    """The helper's answer to a job of n reports, in its order.

    Attributes:
        task, number: whose.
        verdicts: (n,) uint8, each a `Verdict`.
        messages: (n, 32) uint8, the verifier messages; zeros where the report was not accepted.
    """

    task: str
    number: int
    verdicts: Bytes
    messages: Bytes

    def to_bytes(self) -> bytes:
        header = _VerdictsHeader(task=self.task, number=self.number)
        return pack(header, {"verdicts": self.verdicts, "messages": self.messages})

    @classmethod
    def from_bytes(cls, data: bytes, job: Job) -> Verdicts:
        """Decode the answer to `job`.

        Raises:
            ArtifactError: not verdicts, damaged, or not of that job.
        """
        header, tensors = unpack(data, _VerdictsHeader, "answer of a helper", JOB_LIMIT)
        n, names = len(job.ids), {"verdicts", "messages"}
        if (header.task, header.number) != (job.task.fingerprint, job.number):
            raise ArtifactError(
                f"the helper answers job {header.number} of task {header.task[:12]}, not {job.number}"
            )
        shapes = {name: tensor.shape for name, tensor in tensors.items() if tensor.dtype == np.uint8}
        if set(tensors) != names or shapes != {"verdicts": (n,), "messages": (n, MESSAGE_BYTES)}:
            raise ArtifactError(f"the helper's answer is not one verdict for each of {n} reports")
        if tensors["verdicts"].max() > max(Verdict):
            raise ArtifactError(
                f"the helper answers with a verdict that there is not: {tensors['verdicts'].max()}"
            )
        return cls(header.task, header.number, tensors["verdicts"], tensors["messages"])


class Opening(Strict):
    """A request to open a task's sum: the one batch of all that was counted.

    Attributes:
        task: the task.
        count: how many reports were counted.
        checksum: of their ids (`checksum`).
    """

    schema_version: Literal["proxyset.opening/1"] = "proxyset.opening/1"
    task: Task
    count: int = Field(ge=0)
    checksum: Sha256

    @classmethod
    def from_bytes(cls, data: bytes) -> Opening:
        """Decode. Raises ArtifactError."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise ArtifactError(f"this is not an opening: {first_problem(error)}") from None


class _OpenedHeader(Strict):
    schema_version: Literal["proxyset.opened/1"] = "proxyset.opened/1"
    task: Sha256
    count: int
    checksum: Sha256


@dataclass(frozen=True, eq=False)
class Opened:
    """An aggregator's share of the sum, noise and all: the only thing that it ever gives away.

    Attributes:
        task, count, checksum: of the batch.
        share: an encoded aggregate share of Prio3.
    """

    task: str
    count: int
    checksum: str
    share: bytes

    def to_bytes(self) -> bytes:
        header = _OpenedHeader(task=self.task, count=self.count, checksum=self.checksum)
        return pack(header, {"share": np.frombuffer(self.share, np.uint8)})

    @classmethod
    def from_bytes(cls, data: bytes, asked: Opening) -> Opened:
        """Decode the answer to an opening.

        Raises:
            ArtifactError: not a share, damaged, or of another batch.
        """
        header, tensors = unpack(data, _OpenedHeader, "opened share", JOB_LIMIT)
        if (header.task, header.count, header.checksum) != (
            asked.task.fingerprint,
            asked.count,
            asked.checksum,
        ):
            raise ArtifactError("the helper opened another batch than the one that was asked for")
        share = tensors.get("share")
        if len(tensors) != 1 or share is None or share.dtype != np.uint8 or share.ndim != 1:
            raise ArtifactError("an opened share is one array of bytes")
        asked.task.vdaf.decode_agg_share(share.tobytes())
        return cls(header.task, header.count, header.checksum, share.tobytes())


def checksum(ids: Iterable[bytes]) -> str:
    """Of a set of report ids, whatever their order: the exclusive or of the SHA-256 of each."""
    total = 0
    for id in ids:
        total ^= int.from_bytes(hashlib.sha256(id).digest(), "big")
    return total.to_bytes(32, "big").hex()


def verifier_bytes(task: Task) -> int:
    """The size of a verifier share of this task."""
    return task.vdaf.field.size * task.vdaf.flp.verifier_length + MESSAGE_BYTES
