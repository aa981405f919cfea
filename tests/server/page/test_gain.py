"""The estimate of a gain finds the gain that is there, and says when there is nothing to judge by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.cloud.select.strategy import Coverage
from proxyset.errors import InvalidInput
from proxyset.server.page.gain import estimate
from proxyset.wire.release import PrivacyStatement, Release


@pytest.fixture
def world(tmp_path):
    """Two domains whose labels contradict each other: what is right in the one is wrong in the other."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4)).astype(np.float32)
    domain = np.arange(2000) % 10 == 0  # the clients' tenth
    X[:, 3] += np.where(domain, 8, -8)
    positive = (X[:, 0] > 0) ^ domain
    column = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 4)
    rows = {
        "id": [str(i) for i in range(2000)],
        "embedding": column,
        "label": np.where(positive, "yes", "no"),
    }
    pq.write_table(pa.table(rows), tmp_path / "pool.parquet")
    index = build_index(tmp_path / "pool.parquet", tmp_path / "index", clusters=10)
    share = np.bincount(index.candidates().clusters, domain, minlength=10)
    return tmp_path, index, Coverage(share.astype(float), 1.0)


def test_the_right_domain_is_seen_to_gain(world):
    folder, index, coverage = world
    privacy = PrivacyStatement(
        unit="record",
        adjacency="add-remove",
        max_records=1,
        sigma=1.0,
        l2_sensitivity=1.0,
        rho=0.5,
        epsilon=4.0,
        delta=1e-5,
    )
    release = Release(coverage.counts.astype(np.int64), "0" * 64, index.fingerprint, privacy)
    proxy = select(index, release, folder / "proxy", budget=60, strategy="ecos")
    gain = estimate(index, proxy, coverage)
    assert gain.proxy > 0.9 and gain.points > 20
    assert (gain.labels, gain.trained, len(gain.random)) == (2, 60, 5)
    assert gain == estimate(index, proxy, coverage)


def test_a_random_set_gains_nothing(world):
    folder, index, coverage = world
    proxy = select(index, [], folder / "proxy", budget=300, strategy="random")
    gain = estimate(index, proxy, coverage)
    assert (
        abs(gain.points) < 15
    )  # false alarms: a difference of 15 points is beyond 4 of its standard deviations here


def test_nothing_to_judge_by(world, blobs):
    folder, index, coverage = world
    whole = select(index, [], folder / "whole", budget=2000, strategy="random")
    with pytest.raises(InvalidInput, match="too few"):
        estimate(index, whole, coverage)
    unlabelled = build_index(blobs / "pool.npy", blobs / "index2", clusters=10)
    with pytest.raises(InvalidInput, match="labels"):
        estimate(unlabelled, select(unlabelled, [], blobs / "p", budget=9, strategy="random"), coverage)
