"""Flower's own modules warn of their dependencies' deprecations when they are imported."""

import os
import warnings

import numpy as np
import pytest

# before the first import of flwr: it reads this once
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"

with warnings.catch_warnings(action="ignore"):
    import flwr.app
    import flwr.clientapp
    import flwr.serverapp  # noqa: F401

from proxyset.cloud.build import build_index


@pytest.fixture
def fleet(blobs):
    """An index of 12 clusters, and node-0.toml … node-3.toml with 100 private items each."""
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=12)
    for number, part in enumerate(np.split(np.load(blobs / "private.npy"), 4)):
        np.save(blobs / f"private-{number}.npy", part)
        (blobs / f"node-{number}.toml").write_text(
            f'data = "private-{number}.npy"\nledger = "ledger-{number}.sqlite"\nepsilon = 1.0\n'
        )
    return blobs, index
