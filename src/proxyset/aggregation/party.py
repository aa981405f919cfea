"""Leader and helper: verify reports together, add up the shares of the valid ones. Pure: what is kept, their stores say.

leader   begin     its half of each verification, or why a report is dropped
helper   answer    verdict and verifier message of each; its share of the sum of those it accepts
leader   finish    its share of the sum of the same reports
leader   total     both opened shares → the noisy sum
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from nacl.signing import SigningKey
from numpy.typing import NDArray

from proxyset.errors import ArtifactError, InvalidReport
from proxyset.vdaf import Report as Share
from proxyset.vdaf import Vector, VerifyState
from proxyset.wire.aggregation import Bytes, Job, Verdict, Verdicts
from proxyset.wire.report import Report, unseal
from proxyset.wire.task import Task

_LEADER, _HELPER = 0, 1


@dataclass(frozen=True)
class Begun:
    """The leader's side of a job that was sent.

    Attributes:
        job: what is sent; None where no report is left.
        states: what the leader keeps of each report in it, by id.
        dropped: the reports that the leader itself refuses.
    """

    job: Job | None
    states: Mapping[bytes, VerifyState]
    dropped: Mapping[bytes, Verdict]


@dataclass(frozen=True)
class Counted:
    """What one aggregator has of a job.

    Attributes:
        share: (R, words), its share of the sum of the accepted reports.
        verdicts: of each report of the job, by id.
    """

    share: Vector
    verdicts: Mapping[bytes, Verdict]

    @property
    def accepted(self) -> list[bytes]:
        """The ids of the reports that count."""
        return [id for id, verdict in self.verdicts.items() if verdict is Verdict.accepted]


def begin(task: Task, key: SigningKey, number: int, reports: Sequence[Report]) -> Begun:
    """The leader's half of the verification of some reports of a task. The same reports give the same job.

    Args:
        key: the leader's.
        number: of the job.
        reports: each id once.
    """
    dropped: dict[bytes, Verdict] = {}
    decoded = _decoded(task, _LEADER, ((r.id, r.public, r.leader) for r in reports), dropped)
    states: dict[bytes, VerifyState] = {}
    verifiers: dict[bytes, bytes] = {}
    results = task.vdaf.verify_init_many(task.verify_key(key), task.ctx, _LEADER, decoded.values())
    for id, result in zip(decoded, results, strict=True):
        if isinstance(result, InvalidReport):
            dropped[id] = Verdict.invalid
        else:
            states[id], verifier = result
            verifiers[id] = task.vdaf.encode_verifier_share(verifier)
    sent = [report for report in reports if report.id in states]
    if not sent:
        return Begun(None, states, dropped)
    job = Job(
        task,
        number,
        ids=_rows(report.id for report in sent),
        public=_rows(report.public for report in sent),
        sealed=_rows(report.helper for report in sent),
        verifiers=_rows(verifiers[report.id] for report in sent),
    )
    return Begun(job, states, dropped)


def answer(key: SigningKey, job: Job, seen: Callable[[bytes], bool]) -> tuple[Verdicts, Counted]:
    """The helper's part of a job: everything about its reports.

    Args:
        key: the helper's.
        seen: whether an id came in an earlier job, whatever became of it then.

    Guarantee:
        A report counts once, and a sealed share counts only as the report that its client made of it.
    """
    task, vdaf = job.task, job.task.vdaf
    verdicts: dict[bytes, Verdict] = {}
    shares: list[tuple[bytes, bytes, bytes]] = []
    for row, id in enumerate(ids := [row.tobytes() for row in job.ids]):
        if seen(id):
            verdicts[id] = Verdict.repeated
            continue
        try:
            public = job.public[row].tobytes()
            shares.append((id, public, unseal(key, task, id, public, job.sealed[row].tobytes())))
        except ArtifactError:
            verdicts[id] = Verdict.damaged
    decoded = _decoded(task, _HELPER, shares, verdicts)
    results = vdaf.verify_init_many(task.verify_key(key), task.ctx, _HELPER, decoded.values())
    theirs = dict(zip(ids, job.verifiers, strict=True))
    messages: dict[bytes, bytes] = dict.fromkeys(ids, bytes(32))
    total = vdaf.agg_init()
    for id, result in zip(decoded, results, strict=True):
        try:
            if isinstance(result, InvalidReport):
                raise result
            state, mine = result
            other = vdaf.decode_verifier_share(theirs[id].tobytes())
            message = vdaf.verifier_shares_to_message(task.ctx, [other, mine])
            total = vdaf.agg_update(total, vdaf.verify_next(task.ctx, state, message))
        except ArtifactError:  # InvalidReport is one
            verdicts[id] = Verdict.invalid
        else:
            verdicts[id] = Verdict.accepted
            messages[id] = vdaf.encode_verifier_message(message)
    named = {id: verdicts[id] for id in ids}
    told = Verdicts(
        task.fingerprint,
        job.number,
        np.array(list(named.values()), np.uint8),
        _rows(messages[id] for id in ids),
    )
    return told, Counted(total, named)


def finish(begun: Begun, told: Verdicts) -> Counted:
    """The leader's part of a job, after the helper's answer.

    Raises:
        ArtifactError: the helper accepts a report whose verification does not end as it says. It then counted what the leader
            does not, so the two have no sum in common any more.
    """
    job = begun.job
    assert job is not None
    task, vdaf = job.task, job.task.vdaf
    verdicts, total = dict(begun.dropped), vdaf.agg_init()
    for row, id in enumerate(row.tobytes() for row in job.ids):
        verdicts[id] = Verdict(int(told.verdicts[row]))
        if verdicts[id] is Verdict.accepted:
            message = vdaf.decode_verifier_message(told.messages[row].tobytes())
            try:
                total = vdaf.agg_update(total, vdaf.verify_next(task.ctx, begun.states[id], message))
            except InvalidReport as error:
                raise ArtifactError(
                    f"the helper accepts report {id.hex()[:12]} with a message that is not its own: {error}. This sum cannot be "
                    "opened; begin another campaign, and ask the helper's operator"
                ) from None
    return Counted(total, verdicts)


def total(task: Task, leader: bytes, helper: bytes, count: int) -> NDArray[np.int64]:
    """The noisy sum from both opened shares.

    Returns:
        (R,) int64, with noise of √2 σ.

    Raises:
        ArtifactError: no sum of that many reports with any noise that occurs: one aggregator's share is nonsense.
    """
    vdaf = task.vdaf
    shares = [vdaf.decode_agg_share(share) for share in (leader, helper)]
    values = vdaf.unshard(shares, count, signed=True)
    noise = 60 * task.privacy.sigma  # of two draws; beyond 2⁻¹⁰⁰⁰
    if min(values) < -noise or max(values) > count * task.most + noise:
        raise ArtifactError(
            f"the two shares add up to counts from {min(values)} to {max(values)}; {count} reports of at most {task.most} votes "
            "cannot give that: one of the shares is not what was agreed on. Nothing was kept"
        )
    return np.array(values, np.int64)


def _decoded(
    task: Task,
    agg_id: int,
    shares: Iterable[tuple[bytes, bytes, bytes]],
    verdicts: dict[bytes, Verdict],
) -> dict[bytes, Share]:
    """Reports as Prio3 takes them, by id; those that are none get their verdict."""
    found = {}
    for id, public, share in shares:
        try:
            found[id] = Share(
                id, task.vdaf.decode_public_share(public), task.vdaf.decode_input_share(agg_id, share)
            )
        except ArtifactError:
            verdicts[id] = Verdict.damaged
    return found


def _rows(parts: Iterable[bytes]) -> Bytes:
    return np.stack([np.frombuffer(part, np.uint8) for part in parts])
