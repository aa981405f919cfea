"""A server's state with as many clients as anybody has, made in seconds: their keys and counts are made up."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import numpy as np

from proxyset.client.calibration import privacy_statement
from proxyset.server.records import Submission, now
from proxyset.server.rows import text_of
from proxyset.server.state import State
from proxyset.wire.release import Release
from tests.e2e.worlds import operator_state

_BATCH = 500


def crowd(folder: Path, clients: int, clusters: int = 40, each: int = 80) -> State:
    """A state whose campaign "drawings" all of so many clients have answered; one in ten was invited and has not come."""
    state = operator_state(folder, each=each, clusters=clusters, answers=0, hostile=False)
    begun = now() - timedelta(days=30)
    keys = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(clients)]
    with state._database.writing() as db:  # one by one, each would wait for the disk
        for number, key in enumerate(keys):
            at = text_of(begun + timedelta(seconds=200 * number))
            db.execute("INSERT INTO clients VALUES (?, ?, ?, NULL)", (key, f"phone {number:05d}", at))
        for number in range(clients // 10):
            until = text_of(now() + timedelta(days=7))
            row = (
                hashlib.sha256(b"token %d" % number).hexdigest(),
                f"invited {number:05d}",
                text_of(begun),
                until,
            )
            db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, NULL)", row)
    campaign = state.campaign("drawings")
    rng, privacy = np.random.default_rng(0), privacy_statement(0.58)
    shape = rng.dirichlet(np.full(clusters, 0.3)) * 40
    for start in range(0, clients, _BATCH):
        batch = []
        for key in keys[start : start + _BATCH]:
            counts = np.rint(shape + rng.normal(0, privacy.sigma, clusters)).astype(np.int64)
            release = Release(counts, campaign.probe, campaign.index, privacy)
            stated = (privacy.epsilon, privacy.delta, privacy.sigma, privacy.rho)
            batch.append(Submission(campaign.id, key, release.fingerprint, *stated, release.to_bytes()))
        state.store(batch)
    return state
