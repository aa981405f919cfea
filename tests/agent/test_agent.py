"""The agent by itself. Rounds against real servers are in tests/agent/test_rounds.py and tests/e2e."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyset.agent import enrolment
from proxyset.agent.agent import Agent, backoff
from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key
from proxyset.client.terms import Terms
from proxyset.errors import InvalidInput, LedgerError
from proxyset.transport.service import Service


def test_waits_grow_up_to_five_minutes_and_differ() -> None:
    for failures in range(1, 12):
        longest = min(300, 2 ** (failures - 1))
        waits = {backoff(failures) for _ in range(20)}
        assert len(waits) > 1 and all(longest / 2 <= wait <= longest for wait in waits)
    assert backoff(10_000) <= 300


def test_an_agent_needs_a_policy(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="has no key"):
        enrolment.enroll(ledger, "https://cloud.example", "x" * 43)
    make_key(ledger)
    with pytest.raises(InvalidInput, match="is not enrolled with"):
        enrolment.service(ledger, "https://cloud.example")
    (ledger.path.with_name(ledger.path.name + ".servers.json")).write_text(
        '[{"url": "https://cloud.example", "name": "me", "ca": "", "since": "2026-01-01"}]'
    )
    service = enrolment.service(ledger)
    assert service.url == "https://cloud.example"
    with pytest.raises(InvalidInput, match="no policy is in force"):
        Agent(service, ledger, Terms(1), "x", lambda event, facts: None)
    adopt(ledger, b'unit = "record"\nencoders = "any"')
    Agent(service, ledger, Terms(1), "x", lambda event, facts: None)


def test_only_this_machine_is_called_without_tls(ledger: Ledger, tmp_path: Path) -> None:
    make_key(ledger)
    from proxyset.client.receipts import signing_key

    key = signing_key(ledger)
    for url in (
        "http://cloud.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "ftp://cloud.example",
        "cloud.example",
    ):
        with pytest.raises(InvalidInput):
            Service(url, key)
    for url in ("https://cloud.example", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"):
        Service(url, key)
    (tmp_path / "ca").write_text("not a certificate")
    with pytest.raises(InvalidInput, match="no certificate authority"):
        Service("https://127.0.0.1:9", key, tmp_path / "ca").offers()
