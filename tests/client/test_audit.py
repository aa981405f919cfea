"""The audit must pass the shipped client and convict broken ones. False alarm of each verdict: at most 1e-3.

pytest tests/client/test_audit.py -rP prints what each attack proved.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import proxyset.client.answer as answering
import proxyset.client.gate as gate
import proxyset.client.vote as vote
from proxyset.client.audit import audit
from proxyset.client.noise import gaussian
from proxyset.client.vote import count_votes
from proxyset.errors import InvalidInput


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trials", "of"),
    [
        (30_000, {}),
        (20_000, {"unit": "person", "max_records": 2}),
        pytest.param(100_000, {}, marks=pytest.mark.thorough),
    ],
    ids=["records", "persons", "many records"],
)
def test_the_shipped_client_is_not_contradicted(trials: int, of: dict[str, Any]) -> None:
    found = audit(4.0, trials=trials, confidence=0.9999, **of)
    sys.stdout.write(f"{found}\n")
    assert found.passed, found
    assert found.proven_epsilon > 1.0  # and the attack has teeth


def noise_off(clusters, privacy):  # type: ignore[no-untyped-def]
    return lambda counts, debit: counts


def sigma_halved(clusters, privacy):  # type: ignore[no-untyped-def]
    half = {"sigma": privacy.sigma / 2, "rho": privacy.rho * 4}
    add = gaussian(clusters, privacy.model_copy(update=half))
    return lambda counts, debit: add(counts, replace(debit, **half))


def seeded(clusters, privacy):  # type: ignore[no-untyped-def]
    noise = np.rint(np.random.default_rng(0).normal(scale=privacy.sigma, size=clusters)).astype(np.int64)
    return lambda counts, debit: counts + noise


def counted_twice(records, probe, privacy):  # type: ignore[no-untyped-def]
    return 2 * count_votes(records, probe, privacy)


def not_clipped(votes, max_records, grid):  # type: ignore[no-untyped-def]
    return {label: grid * count for label, count in votes.items()}


PERSONS = {"unit": "person", "max_records": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "broken", "trials", "of"),
    [
        (gate, "gaussian", noise_off, 10_000, {}),
        (gate, "gaussian", sigma_halved, 60_000, {}),
        (gate, "gaussian", seeded, 10_000, {}),
        (answering, "count_votes", counted_twice, 120_000, {}),
        (vote, "clipped", not_clipped, 20_000, PERSONS),
    ],
    ids=["noise off", "sigma halved", "seeded noise", "a record counted twice", "a person counted in full"],
)
def test_broken_clients_are_convicted(
    where: Any, name: str, broken: Any, trials: int, of: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, broken)
    found = audit(4.0, trials=trials, **of)
    sys.stdout.write(f"{name}: {found}\n")
    assert not found.passed, found
    assert found.proven_epsilon > 4.0


def test_impossible_audits() -> None:
    for options in ({"trials": 10}, {"confidence": 1.0}, {"epsilon": 0.0}):
        with pytest.raises(InvalidInput):
            audit(**options)  # type: ignore[arg-type]
