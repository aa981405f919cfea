"""The audit must pass the shipped client and convict broken ones. False alarm of each verdict: at most 1e-3.

pytest tests/client/test_audit.py -rP prints what each attack proved.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import proxyset.client.answer as module
import proxyset.client.gate as gate
from proxyset.client.audit import audit
from proxyset.client.noise import gaussian
from proxyset.client.vote import count_votes
from proxyset.errors import InvalidInput


@pytest.mark.slow
def test_the_shipped_client_is_not_contradicted() -> None:
    found = audit(4.0, trials=100_000, confidence=0.9999)
    sys.stdout.write(f"{found}\n")
    assert found.passed, found
    assert found.proven_epsilon > 1.5  # and the attack has teeth


def noise_off(clusters, privacy):  # type: ignore[no-untyped-def]
    return lambda counts, debit: counts


def sigma_halved(clusters, privacy):  # type: ignore[no-untyped-def]
    half = {"sigma": privacy.sigma / 2, "rho": privacy.rho * 4}
    add = gaussian(clusters, privacy.model_copy(update=half))
    return lambda counts, debit: add(counts, replace(debit, **half))


def seeded(clusters, privacy):  # type: ignore[no-untyped-def]
    noise = np.rint(np.random.default_rng(0).normal(scale=privacy.sigma, size=clusters)).astype(np.int64)
    return lambda counts, debit: counts + noise


def counted_twice(records, probe, max_records=None):  # type: ignore[no-untyped-def]
    return 2 * count_votes(records, probe, max_records)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "broken", "trials"),
    [
        ("gaussian", noise_off, 10_000),
        ("gaussian", sigma_halved, 200_000),
        ("gaussian", seeded, 10_000),
        ("count_votes", counted_twice, 200_000),
    ],
    ids=["noise off", "sigma halved", "seeded noise", "a record counted twice"],
)
def test_broken_clients_are_convicted(
    name: str, broken: Callable, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[type-arg]
    monkeypatch.setattr(gate if name == "gaussian" else module, name, broken)
    found = audit(4.0, trials=trials)
    sys.stdout.write(f"{name}: {found}\n")
    assert not found.passed, found
    assert found.proven_epsilon > 4.0


def test_impossible_audits() -> None:
    for options in ({"trials": 10}, {"confidence": 1.0}, {"epsilon": 0.0}):
        with pytest.raises(InvalidInput):
            audit(**options)  # type: ignore[arg-type]
