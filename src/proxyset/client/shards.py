"""Exact votes into two shares, of which each is random by itself. Only `client.gate` imports this module, as it does `noise`.

What makes shares takes the debit that paid for them, so that no votes leave without one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proxyset.client.chain import Entry
from proxyset.errors import LedgerError
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire.report import ID_BYTES, Report, seal
from proxyset.wire.task import Task

Sharing = Callable[[NDArray[np.int64], Entry], Report]


def sharing(task: Task) -> Sharing:
    """A function that makes a report of votes. Built, and tried, before a debit, so that nothing can fail after it.

    Args:
        task: what the report is for.

    Returns:
        ((R,) int64, each ≥ 0, at most task.most in all, their debit) → the report. It raises LedgerError, and makes nothing,
        when the entry is no debit for this task.

    Sensitivity:
        task.privacy.l2_sensitivity, of the votes; the caller has proved it.
    Unit:
        task.privacy.unit.
    Guarantee:
        Each share by itself is independent of the votes, computationally; what the sum of the shares tells, the task says. With
        a floor both shares together tell of each vote what is task.floor-DP (`_randomised`).
    Assumes:
        As `wire.task.Task`. The operating system's randomness is good.

    Raises:
        ArtifactError: the helper's key is none. MissingExtra: PyCryptodome is not installed.
    """
    vdaf, stated = task.vdaf, fingerprint(canonical_json(task.model_dump(mode="json")))

    def share(votes: NDArray[np.int64]) -> Report:
        id = os.urandom(ID_BYTES)
        sent = _randomised(votes, task) if task.floor else votes
        public_share, (leader, helper) = vdaf.shard(task.ctx, sent.tolist(), id, os.urandom(vdaf.rand_size))
        public = vdaf.encode_public_share(public_share)
        sealed = seal(task, id, public, vdaf.encode_input_share(helper))
        return Report(task, id, public, vdaf.encode_input_share(leader), sealed)

    share(np.zeros(task.clusters, np.int64))

    def pay_and_share(votes: NDArray[np.int64], debit: Entry) -> Report:
        if debit.kind != "debit" or debit.digest != stated:
            raise LedgerError(
                f"entry {debit.seq} of the ledger pays for no report of campaign {task.campaign}"
            )
        return share(votes)

    return pay_and_share


def _randomised(votes: NDArray[np.int64], task: Task) -> NDArray[np.int64]:
    """Votes by k-ary randomised response (Kairouz et al., Discrete distribution estimation under local privacy, 2016).

    Of `most` votes, those that are not cast included, each is sent as it is with the chance `task.truthful`, and otherwise drawn
    evenly from the R clusters and "none". Whole numbers from the operating system's randomness; no step depends on a vote's value.

    Args:
        votes: (R,) int64, at most task.most in all.

    Returns:
        (R,) int64, at most task.most in all: the proof of a report holds as it does for exact votes.

    Sensitivity:
        One vote. A vote more or less than another's is a vote for "none".
    Unit:
        One vote; the person has task.most.
    Guarantee:
        task.floor-DP for each vote, pure, against whoever sees the votes that are sent. The sum's own guarantee stands: what is
        sent for two neighbours by the same chance differs by no more than their votes do, so that the sum's divergence, convex in
        the pair, is at most that of exact votes.
    Assumes:
        The operating system's randomness is good.
    """
    keep, of = task.truthful.as_integer_ratio()
    cast = np.repeat(np.arange(task.clusters + 1), [*votes, task.most - votes.sum()]).tolist()
    sent = [vote if secrets.randbelow(of) < keep else secrets.randbelow(task.clusters + 1) for vote in cast]
    return np.bincount(sent, minlength=task.clusters + 1)[:-1].astype(np.int64)
