"""What the client's tests share: a probe of ready embeddings, and options for the long runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proxyset.client.ledger import Cap, Ledger
from proxyset.encoders.encoder import EncoderSpec
from proxyset.wire.probe import Probe


def make_probe(R: int = 5, d: int = 3, seed: int = 0, purpose: str = "") -> Probe:
    C = np.random.default_rng(seed).normal(size=(R, d)).astype(np.float32)
    return Probe.build(C, EncoderSpec(name="embeddings", dim=d), "a" * 64, dtype="float32", purpose=purpose)


@pytest.fixture
def probe() -> Probe:
    return make_probe()


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite", cap=Cap(100))
