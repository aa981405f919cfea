"""What a release tells of its noise, the ways of training with it, and the page that weighs tables alike."""

import numpy as np
import pytest

from proxyset_lab import noisy_labels
from proxyset_lab.noisy_labels import WAYS, Trained, beliefs, noise_rates, page, trained


def test_noise_of_a_class_against_drawn_noise():
    rng, K = np.random.default_rng(0), 5
    got, right = noisy_labels._outcomes(K, 1.0)
    for votes in (0.0, 1.0, 3.0):
        noisy = rng.standard_normal((40_000, K))
        noisy[:, 0] += votes
        second, first = np.partition(noisy, -2, axis=1)[:, -2:].T
        there = first - second > 1.0
        place = int(votes / 0.25)
        # 40,000 draws: five standard errors, a false alarm in 300,000 runs
        assert got[place] == pytest.approx(there.mean(), abs=5 * 0.5 / 200)
        assert right[place] == pytest.approx(
            (noisy[there].argmax(axis=1) == 0).mean(), abs=5 * 0.5 / there.sum() ** 0.5
        )


def test_neighbours_find_the_labels_that_noise_made():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], 40)
    X = 6 * np.eye(3)[truth] + rng.standard_normal((120, 3))
    labels = np.where(rng.random(120) < 0.2, (truth + 1) % 3, truth)
    labels[rng.random(120) < 0.3] = -1
    q = beliefs(X, labels, 3, np.full(120, 0.3))
    np.testing.assert_allclose(q.sum(axis=1), 1)
    given, right = labels >= 0, q.argmax(axis=1) == truth
    assert (labels[given] == truth[given]).mean() < 0.9 < 0.95 < right[given].mean()
    assert right[~given].all()


def test_labels_near_unanswered_questions_are_less_certain():
    X = np.arange(60, dtype=float)[:, None] * [1.0, 0.0]
    labels = np.where(np.arange(60) < 30, 0, -1)
    labels[30::6] = 1
    rates = noise_rates(X, labels, 4, 1.0)
    assert rates[:20].max() < rates[40:].min()


def test_every_way_is_measured(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 1200)
    X = 2 * np.eye(5)[y] + rng.standard_normal((1200, 5))
    monkeypatch.setattr(noisy_labels, "table", lambda name: (X, y))
    monkeypatch.setattr(noisy_labels, "RECORDS", (100,))
    found = list(trained([0], ["made-up"]))
    assert {one.way for one in found} == set(WAYS) and {one.records for one in found} == {100}
    assert all(0 <= one.accuracy <= 100 for one in found)


def test_tables_count_the_same():
    found = []
    for name, gains in (("a", (4.0, 6.0)), ("b", (-1.0,))):
        for number, gain in enumerate(gains):
            for way in WAYS:
                accuracy = 50.0 + (gain if way == "forward" else 0.0)
                found.append(Trained(name, f"none {number}", 100, 10.0, way, 40.0, 70.0, accuracy))
    lines = page(found).splitlines()
    assert "| 10 | cross-entropy | 50.0 | 0 of 2 |" in lines
    assert "| 10 | forward | +2.0 | 1 of 2 |" in lines
    assert "100 records: 40 % answered, 70 % of the answers right." in lines
