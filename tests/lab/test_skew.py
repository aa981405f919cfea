"""Clients are drawn as said, are measured through the real exchange, and their page says what was measured."""

import json

import numpy as np
import pytest

from proxyset_lab import skew
from proxyset_lab.skew import Client, draw, page, read


def test_clients_have_the_classes_that_were_drawn():
    y = np.array(["a", "b", "c"])[np.arange(900) % 3]
    y[899] = "d"  # which the client's split lacks
    rows, test = np.arange(600), np.arange(600, 900)
    shares, chosen = draw(y, rows, test, Client("x", "y", 0, None, 60))
    assert shares == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}) and len(set(chosen)) == 60
    assert chosen.max() < 600
    skewed, chosen = draw(y, rows, test, Client("x", "y", 0, 0.1, 200))
    assert set(skewed) == {"a", "b", "c"} and sum(skewed.values()) == pytest.approx(1)
    most = max(skewed, key=skewed.get)
    assert skewed[most] > 0.5 and (y[chosen] == most).mean() > 0.5
    assert len(chosen) <= 200  # the split has 200 of each


def test_a_page_of_two_clients(tmp_path):
    scores = {
        method: {
            name + of: 0.5 + 0.1 * (of == " true")
            for name in ("accuracy", "balanced")
            for of in ("", " fitted", " true")
        }
        for method in skew.METHODS
    }
    clients = [Client("digits", "mnist", seed, 0.3, 60) for seed in (0, 1)]
    lines = [json.dumps({"client": client, "scores": scores}) for client in clients]
    (tmp_path / "skew.jsonl").write_text("\n".join(lines) + "\n")
    results = read(tmp_path / "skew.jsonl")
    assert [client for client, _ in results] == clients and read(tmp_path / "none") == []
    text = page(results, "Rows of nobody.")
    assert (
        "Rows of nobody." in text
        and "| digits | 0.3 | 60 | 50.0 |" in text
        and "| digits | 0.3 | 60 | 0.0 | +10.0 |" in text
    )
    assert (
        "| 0.3 | 0.0 | +10.0 |" in text and "| none |" not in text and "designed on" in text
    )  # nothing was measured there


@pytest.mark.slow
def test_a_client_is_measured(tmp_path, monkeypatch):
    """With the demo's digits, a client of 60; every method gives shares."""
    monkeypatch.setattr(skew, "BUDGETS", {"digits-small": (60, 150)})
    monkeypatch.setattr(skew, "ALPHAS", (0.3,))
    monkeypatch.setattr(skew, "RECORDS", (60,))
    for _ in range(2):  # the second time there is nothing to do
        skew.run(tmp_path / "skew.jsonl", ["digits-small"], [0], 1)
    [(client, scores)] = read(tmp_path / "skew.jsonl")
    assert client.alpha == 0.3 and set(scores) == set(skew.METHODS)
    assert all(0 <= value <= 1 for of in scores.values() for value in of.values())
    assert len(scores["local"]) == 6
