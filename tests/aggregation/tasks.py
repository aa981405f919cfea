"""What the tests of two-party sums share: keys, a task, and reports as clients make them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from nacl.signing import SigningKey

from proxyset.client.calibration import privacy_statement
from proxyset.wire.report import Report, seal
from proxyset.wire.signing import public_half
from proxyset.wire.task import Task

LEADER, HELPER = SigningKey.generate(), SigningKey.generate()


def make_task(R: int = 5, most: int = 7, epsilon: float = 1.0, minimum: int = 2, **changes: object) -> Task:
    fields: dict[str, object] = {
        "campaign": "wards",
        "probe": "b" * 64,
        "index": "a" * 64,
        "clusters": R,
        "most": most,
        "privacy": privacy_statement(epsilon, unit="person", max_records=most, whole_records=True),
        "minimum": minimum,
        "leader": public_half(LEADER),
        "helper": public_half(HELPER),
        "nonce": os.urandom(32).hex(),
    }
    return Task(**(fields | changes))


def make_report(task: Task, votes: Sequence[int], id: bytes = b"", **changes: bytes) -> Report:
    """A report of any votes: what a client sends, or a liar."""
    vdaf, id = task.vdaf, id or os.urandom(16)
    public_share, (leader, helper) = vdaf.shard(task.ctx, list(votes), id, os.urandom(vdaf.rand_size))
    public = vdaf.encode_public_share(public_share)
    sealed = seal(task, id, public, vdaf.encode_input_share(helper))
    parts = {"public": public, "leader": vdaf.encode_input_share(leader), "helper": sealed} | changes
    return Report(task, id, **parts)


def random_votes(task: Task, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multinomial(rng.integers(0, task.most + 1), np.ones(task.clusters) / task.clusters)
