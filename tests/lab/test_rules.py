"""The study of rules compares like with like: its model is the product's, and one table counts once."""

import numpy as np
import pytest

from proxyset.cloud.select import Coverage, ratio_model
from proxyset_lab import rules
from proxyset_lab.cell import Group
from proxyset_lab.rules import CANDIDATES, CLIENTS, TODAY, Client, Run, Told, modes, unit
from tests.cloud.select.test_ratio_model import POOL


def test_todays_rule_is_the_products():
    rng = np.random.default_rng(0)
    counts = 40 * rng.random(len(POOL.centroids)) * (POOL.centroids[:, 0] > 0)
    coverage = Coverage(counts + rng.standard_normal(len(counts)), 1.0)
    ours = modes(POOL, Told(POOL, coverage, np.empty(0), 1.0)).mean()
    own = np.concatenate(list(ratio_model.log_density_ratio(POOL, coverage)))
    assert np.corrcoef(ours, own)[0, 1] > 0.99  # it is fitted to another sample of the pool


def test_a_sum_of_unit_vectors_tells_what_counts_that_drown_in_noise_do_not():
    rng = np.random.default_rng(1)
    records = POOL.Z[POOL.Z[:, 0] > np.quantile(POOL.Z[:, 0], 0.8)][:300]
    sums = unit(records).sum(axis=0)
    drowned = Coverage(100 * rng.standard_normal(len(POOL.centroids)), 100.0)
    blind = modes(POOL, Told(POOL, drowned, np.empty(0), 1.0)).mean()
    told = modes(POOL, Told(POOL, drowned, sums, 5.0)).mean()
    likeness = [abs(np.corrcoef(of, POOL.Z[:, 0])[0, 1]) if of.std() > 1e-3 else 0.0 for of in (blind, told)]
    assert likeness[1] > 0.8 and likeness[1] > likeness[0]
    assert np.linalg.norm(unit(records), axis=1).max() < 1 + 1e-12


@pytest.fixture(scope="module")
def made_up():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    X = 2 * np.eye(5)[y] + rng.standard_normal((900, 5))
    return X, y


def test_every_rule_is_measured_on_every_client(made_up, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rules, "BUDGETS", (60,))
    monkeypatch.setattr(rules, "CLIENTS", CLIENTS[1:2])
    monkeypatch.setattr(rules, "CLUSTERS", 20)
    monkeypatch.setattr(rules, "MORE_LENGTHS", (6.0,))
    monkeypatch.setattr(ratio_model, "AMPLITUDES", (2.0,))
    found = list(rules.measure(*made_up, Group("made-up", "cut", 0, "3%")))
    assert [client for client, _, _ in found] == list(CLIENTS[1:2])
    for _, _, scores in found:
        assert set(scores) == {TODAY, "ecos", "random", "k-center", *CANDIDATES}
        assert all(0 <= score <= 1 for score in scores.values())


def test_a_site_holds_the_share_that_is_asked_for_and_never_its_own_records(made_up):
    site = rules.Site(*made_up, Group("made-up", "gain", 0, "10%"))
    assert not set(site._pool) & set(site._own) and not set(site._pool) & set(site._test)
    assert len(site._pool) == pytest.approx(0.75 * 900 / 0.9, rel=0.05)


def test_rules_meet_the_same_noise_and_a_share_of_the_budget_buys_less(made_up):
    _, answer = rules.Site(*made_up, Group("made-up", "gain", 0, "0%")).client(0)
    half = answer.coverage(0.5)
    assert half.sigma == pytest.approx(answer.sigma * 2**0.5)
    np.testing.assert_allclose(
        half.counts - answer.counts, (answer.coverage().counts - answer.counts) * 2**0.5
    )
    assert answer.counts.sum() == 60


def test_a_table_counts_once_however_many_clients_it_has():
    plain = dict.fromkeys((TODAY, "ecos", "random", "k-center", *CANDIDATES), 0.5)
    better = plain | {"exponent 1": 0.6}
    runs = [Run("a", CLIENTS[0], 100, better), *[Run("b", CLIENTS[0], 100, plain)] * 3]
    first, second = rules.tables(runs)
    row = next(row for row in first.rows if row[0] == "exponent 1")
    assert row[1].mean == pytest.approx(0.05) and row[1].sites == 2
    assert first.columns == ("rule", "all clients", "60 records")
    assert second.rows[0] == ("the better of both", TODAY, TODAY)
    assert "hybrid 0.5: half of ρ" in rules.page(runs, "Rows.")
    assert "nothing is measured" in rules.page([], "Rows.")


def test_groups_take_every_table_once_a_seed():
    found = list(rules.groups(range(3)))
    assert len(found) == len(set(found)) == 3 * len(rules.TABLES)
    assert len({(group.private, group.pool) for group in found}) > 3
    assert Client(60, 0.3, 0.58) in CLIENTS
