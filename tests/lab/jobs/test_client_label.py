"""Client labeling with real images; small, so accuracies mean nothing here."""

import pytest

from proxyset.errors import BudgetExceeded
from proxyset_lab.jobs import client_label
from proxyset_lab.jobs.client_label import Cell, on_features, report, run


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(client_label, "BUDGETS", (40,))
    monkeypatch.setattr(client_label, "METHODS", ("ecos", "random"))
    monkeypatch.setattr(client_label, "CLUSTERS", 20)


def test_every_cell_is_measured_kept_and_reported(tmp_path, digits):
    found = dict(run(tmp_path, [0], on_features, "digits-small", ["mnist"]))
    assert set(found) == {
        Cell("mnist", 0, method, rule, 40) for method in ("ecos", "random") for rule in client_label.RULES
    }
    for cell, result in found.items():
        assert 0 <= result.answered <= 1 and 0 <= result.score <= 1 and 0 < result.score_true <= 1
        assert result.spent <= 5 + 1e-6  # release and labels together
        assert result.spent > 4.9 or "screened" in cell.rule
        assert result.bytes_up > 80 and result.bytes_down > 40 * 2 * 72
    assert dict(run(tmp_path, [0], on_features, "digits-small", ["mnist"])) == {}  # it was kept
    page = report(tmp_path, [0])
    assert page.count("\n| bounded-votes |") == 2
    assert "| 1 |" in page


def test_the_ledger_has_the_last_word(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(client_label, "zcdp_epsilon", lambda rho, delta: 5.1)
    with pytest.raises(BudgetExceeded):
        list(run(tmp_path, [0], on_features, "digits-small", ["mnist"]))
