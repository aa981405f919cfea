from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.client.policy import Policy, adopt, in_force
from proxyset.errors import BudgetExceeded, InvalidInput, LedgerError, Refused
from proxyset.fingerprint import fingerprint
from proxyset.wire.probe import Probe
from tests.client.conftest import make_probe
from tests.client.test_ledger import tamper

TEXT = b"""
unit = "record"
encoders = "any"
most_epsilon = 1.0
most_delta = 1e-5
most_clusters = 5
approve_above = 0.5
servers = ["a", "b"]

[cap]
epsilon = 2.0
delta = 1e-5

[caps.b]
epsilon = 0.2
delta = 1e-5
"""


def test_adopting_is_in_the_ledger(ledger: Ledger) -> None:
    assert in_force(ledger) == (None, "")
    entry = adopt(ledger, TEXT, "agreed")
    assert [(e.kind, e.server) for e in ledger.entries()] == [("cap", "")] * 2 + [
        ("cap", "b"),
        ("policy", ""),
    ]
    assert (entry.policy, entry.note) == (fingerprint(TEXT), "agreed")
    policy, digest = in_force(Ledger.open(ledger.path))
    assert (policy, digest) == (Policy.from_toml(TEXT), fingerprint(TEXT))
    ledger.verify()


def test_every_debit_carries_the_policy(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    adopt(ledger, TEXT)
    answer(probe, X, epsilon=0.3, ledger=ledger, server="a", dataset="X")
    assert [e.policy for e in ledger.entries()[-2:]] == [fingerprint(TEXT)] * 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"epsilon": 1.1}, "at most ε"),
        ({"epsilon": 0.3, "delta": 1e-4}, "at most ε"),
        ({"epsilon": 0.3, "server": "c"}, "server 'c'"),
        ({"epsilon": 0.3, "adjacency": "replace-one"}, "demands"),
        ({"epsilon": 0.6}, "approval"),
        ({"epsilon": 0.3, "probe": make_probe(R=6)}, "at most 5 centroids"),
        ({"epsilon": 0.3, "server": "b"}, "cap of server 'b'"),
    ],
)
def test_refusals_debit_nothing(options: dict, why: str, X: np.ndarray, ledger: Ledger) -> None:  # type: ignore[type-arg]
    adopt(ledger, TEXT)
    before = ledger.entries()
    arguments = {"probe": make_probe(), "server": "a", "ledger": ledger} | options
    with pytest.raises(Refused, match=why):
        answer(arguments.pop("probe"), X, **arguments, dataset="X")
    assert ledger.entries() == before


def test_approval_and_encoders(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    adopt(ledger, TEXT)
    answer(probe, X, epsilon=0.6, ledger=ledger, server="a", approved=True, dataset="X")
    adopt(ledger, b'unit = "record"\nencoders = ["' + b"0" * 64 + b'"]')
    with pytest.raises(Refused, match="encoder embeddings"):
        answer(make_probe(seed=3), X, epsilon=0.6, ledger=ledger, dataset="X")
    adopt(ledger, f'unit = "record"\nencoders = ["{probe.encoder.fingerprint}"]'.encode())
    answer(make_probe(seed=3), X, epsilon=0.6, ledger=ledger, dataset="X")


def test_the_policys_cap(X: np.ndarray, ledger: Ledger) -> None:
    adopt(ledger, b'unit = "record"\nencoders = "any"\n[cap]\nepsilon = 0.5\ndelta = 1e-5')
    answer(make_probe(seed=1), X, epsilon=0.4, ledger=ledger, dataset="X")
    with pytest.raises(BudgetExceeded):
        answer(make_probe(seed=2), X, epsilon=0.4, ledger=ledger, dataset="X")


def test_too_few_records_are_withheld_after_the_debit(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    """50 records against a bound of 500 and noise of σ√5 < 5: false alarm below 1e-100."""
    adopt(ledger, b'unit = "record"\nencoders = "any"\nfewest_records = 500')
    for _ in range(2):  # asking again does not get it out, and costs nothing
        with pytest.raises(Refused, match="debit stays"):
            answer(probe, X, epsilon=2, ledger=ledger, dataset="X")
    assert ledger.account().debits == 1
    many = np.tile(X, (20, 1))
    answer(probe, many, epsilon=2, ledger=ledger, dataset="many")


def test_too_few_records_of_persons_are_withheld_whatever_their_grid(
    probe: Probe, X: np.ndarray, ledger: Ledger
) -> None:
    """One person, whose votes are cut to the length of one record: 256 or more on the grid, and far below 100 records."""
    adopt(ledger, b'unit = "person"\nencoders = "any"\nfewest_records = 100')
    with pytest.raises(Refused, match="debit stays"):
        answer(probe, X, epsilon=20, unit="person", person="me", ledger=ledger, dataset="X")
    ((entry, stored),) = ledger.releases()
    assert stored.counts.sum() > 200 and not stored.adds_up_to(100)
    assert entry.ref and ledger.entries()[entry.ref - 1].grid == 256


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"unit = ",
        b"",
        b'unit = "house"',
        b'unit = "record"\nmore = 1',
        b'unit = "record"\n[cap]\nepsilon = 0',
        pytest.param(b"unit = " + b"[" * 5000, id="nested"),
        pytest.param(b"max_records = " + b"9" * 5000, id="digits"),
    ],
)
def test_invalid_policies_change_nothing(text: bytes, ledger: Ledger) -> None:
    before = ledger.entries()
    with pytest.raises(InvalidInput):
        adopt(ledger, text)
    assert ledger.entries() == before


def test_a_changed_policy_is_found(ledger: Ledger, probe: Probe, X: np.ndarray) -> None:
    adopt(ledger, TEXT)
    tamper(ledger.path, "UPDATE blobs SET data = CAST('unit = \"record\"' AS BLOB)")
    with pytest.raises(LedgerError, match="policy of ledger entry"):
        answer(probe, X, epsilon=1, ledger=ledger, dataset="X")


def test_the_example_in_the_docstring(ledger: Ledger) -> None:
    import proxyset.client.policy as module

    lines = (module.__doc__ or "").split("\n\n")
    text = "\n".join(part for part in lines if part.startswith("    "))
    adopt(ledger, "\n".join(line.strip() for line in text.splitlines()).encode())
    policy, _ = in_force(ledger)
    assert policy is not None
    assert policy.max_records == 5
    assert set(policy.caps) == {"https://cloud.example"}


def test_the_command(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "p.toml").write_bytes(TEXT)
    status, facts, _ = command("ledger", "policy", tmp_path / "p.toml", tmp_path / "l", "--json")
    assert (status, facts["policy"]) == (0, fingerprint(TEXT))
    assert command("ledger", "policy", tmp_path / "none.toml", tmp_path / "l")[0] == 1
