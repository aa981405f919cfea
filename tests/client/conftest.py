"""What the client's tests share: a probe of ready embeddings, and options for the long runs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from proxyset.client.chain import Entry
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.noise import gaussian
from proxyset.encoders.encoder import EncoderSpec
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement


def paid(privacy: PrivacyStatement) -> Entry:
    """A debit in no ledger, for tests of what draws."""
    return Entry(1, uuid.uuid4().hex, "debit", rho=privacy.rho, sigma=privacy.sigma).sealed()


def drawing(size: int, privacy: PrivacyStatement) -> Callable[[np.ndarray], np.ndarray]:
    """Draws noise as often as it is called, each time for a debit of its own."""
    add = gaussian(size, privacy)
    return lambda integers: add(integers, paid(privacy))


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
