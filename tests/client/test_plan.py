from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client.answer import answer
from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.plan import ENOUGH, captured, plan
from proxyset.errors import InvalidInput
from tests.client.conftest import drawing as mechanism
from tests.client.conftest import make_probe


def overlap(counts: np.ndarray, noisy: np.ndarray) -> float:
    weights = np.maximum(noisy, 0) / max(1, np.maximum(noisy, 0).sum())
    return float(np.minimum(counts / counts.sum(), weights).sum())


@pytest.mark.parametrize(
    ("records", "clusters", "epsilon"),
    [(130, 20, 0.58), (130, 100, 0.58), (900, 100, 0.58), (900, 100, 0.1), (5000, 300, 1.0), (60, 10, 0.3)],
)
@pytest.mark.parametrize("spread", [0.1, 0.3, 1.0])
def test_the_formula_against_simulation(records: int, clusters: int, epsilon: float, spread: float) -> None:
    """200 simulated releases with the real noise; their mean varies by 0.01 at most, the tolerance is 0.05."""
    privacy = privacy_statement(epsilon)
    used = max(1, round(spread * clusters))
    counts = np.zeros(clusters, np.int64)
    counts[:used] = records // used
    counts[: records - counts.sum()] += 1
    add = mechanism(clusters, privacy)
    simulated = np.mean([overlap(counts, add(counts)) for _ in range(200)])
    assert captured(records, clusters, privacy.sigma, spread) == pytest.approx(simulated, abs=0.05)


@pytest.mark.parametrize(("records", "epsilon"), [(300, 0.3), (2000, 0.58)])
def test_the_plan_against_real_answers(records: int, epsilon: float, tmp_path: Path) -> None:
    probe = make_probe(R=60, d=4)
    used = 18
    rng = np.random.default_rng(0)
    X = probe.centroids[rng.integers(used, size=records)] + 1e-3 * rng.normal(size=(records, 4)).astype(
        np.float32
    )
    counts = np.bincount(((X[:, None] - probe.centroids) ** 2).sum(axis=2).argmin(axis=1), minlength=60)
    ledger = Ledger.open(tmp_path / "l", cap=Cap(100))
    found = [
        overlap(counts, answer(probe, X, epsilon=epsilon, ledger=ledger, fresh=True, dataset="X").counts)
        for _ in range(20)
    ]
    assert plan(records, 60, epsilon, spread=0.3).captured == pytest.approx(np.mean(found), abs=0.08)


@given(records=st.integers(1, 10**6), clusters=st.integers(1, 1000), epsilon=st.floats(0.01, 10))
@settings(max_examples=50, deadline=None)
def test_more_is_better(records: int, clusters: int, epsilon: float) -> None:
    sigma = privacy_statement(epsilon).sigma
    now = captured(records, clusters, sigma)
    assert 0 < now <= 1 + 1e-12
    assert captured(records * 2, clusters, sigma) >= now - 1e-9
    assert captured(records, clusters, sigma * 2) <= now + 1e-9


def test_recommendations_fit_what_was_seen() -> None:
    """N ≈ 130 at ε = 0.58: 50 clusters worked, 100 drowned. 585 records, 100 clusters: 0.58 worked, 0.1 did not."""
    assert 50 <= plan(130, 50, 0.58).recommended_clusters < 100
    assert 0.1 < (plan(585, 100, 0.58).recommended_epsilon or 0) <= 0.58
    hopeless = plan(1, 1000, 0.01)
    assert (hopeless.recommended_clusters, hopeless.recommended_epsilon) == (0, None)
    assert hopeless.captured < ENOUGH


def test_impossible_plans() -> None:
    for numbers in ((0, 10, 1.0), (10, 0, 1.0), (10, 10, 0.0)):
        with pytest.raises(InvalidInput):
            plan(*numbers)
    with pytest.raises(InvalidInput):
        plan(10, 10, 1.0, spread=0)
