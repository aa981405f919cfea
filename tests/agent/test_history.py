from __future__ import annotations

import numpy as np
import pytest

from proxyset.agent.history import history
from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.client.policy import TEMPLATE, adopt
from proxyset.client.receipts import make_key
from proxyset.errors import Refused
from proxyset.wire.probe import Probe
from tests.client.conftest import make_probe


def test_the_literal_bytes(X: np.ndarray, ledger: Ledger) -> None:
    without = answer(make_probe(seed=1), X, epsilon=0.5, ledger=ledger, server="a", dataset="d")
    make_key(ledger)
    signed = answer(make_probe(seed=2), X, epsilon=0.3, ledger=ledger, dataset="X")
    answer(make_probe(seed=2), X, epsilon=0.3, ledger=ledger, dataset="X")  # a replay is no other answer
    first, second = history(ledger)
    assert (first.data, second.data) == (without.to_bytes(), signed.to_bytes())
    assert (first.entry.server, first.entry.dataset, first.release.receipt) == ("a", "d", b"")
    assert second.release.receipt == signed.receipt != b""
    assert first.left and second.left


def test_what_was_withheld_did_not_leave(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    """50 records against bounds of 500 and 0, σ√5 < 5: false alarm below 1e-20."""
    adopt(ledger, b'unit = "record"\nencoders = "any"\nfewest_records = 500')
    with pytest.raises(Refused):
        answer(probe, X, epsilon=2, ledger=ledger, dataset="X")
    assert [sent.left for sent in history(ledger)] == [False]
    answer(make_probe(seed=8), np.tile(X, (20, 1)), epsilon=2, ledger=ledger, dataset="X")
    assert [sent.left for sent in history(ledger)] == [False, True]
    adopt(ledger, b'unit = "record"\nencoders = "any"')  # from now on a replay would be let go
    assert [sent.left for sent in history(ledger)] == [True, True]


def test_without_a_bound_nothing_is_withheld(probe: Probe, ledger: Ledger) -> None:
    """σ ≈ 380 a count at ε = 0.01, one record: sums below 0 come up half of the time, and are sent."""
    adopt(ledger, b'unit = "record"\nencoders = "any"')
    sums = [
        answer(
            probe, np.zeros((1, 3), np.float32), epsilon=0.01, ledger=ledger, fresh=True, dataset="X"
        ).counts.sum()
        for _ in range(30)
    ]
    assert min(sums) < 0
    assert all(sent.left for sent in history(ledger))


def test_the_template_can_be_adopted(ledger: Ledger) -> None:
    adopt(ledger, TEMPLATE)
