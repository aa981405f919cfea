"""What an agent has asked for and not answered outlives it."""

from __future__ import annotations

import pytest

from proxyset.agent import errands
from proxyset.agent.errands import Errand
from proxyset.client.ledger import Ledger
from proxyset.errors import LedgerError
from proxyset.wire.probe import Probe


def errand(probe: Probe, server: str = "https://a", campaign: str = "one") -> Errand:
    return Errand(server=server, campaign=campaign, probe=probe.fingerprint, asked=1e9)


def test_kept_until_done(ledger: Ledger, probe: Probe) -> None:
    assert errands.kept(ledger, "https://a") == []
    mine = [errand(probe, campaign=name) for name in ("one", "two")]
    for each in [*mine, errand(probe, "https://b")]:
        errands.put(ledger, each, probe.data)
    assert sorted(errands.kept(ledger, "https://a"), key=lambda each: each.campaign) == mine
    assert errands.probe_of(ledger, mine[0]) == probe.data
    errands.done(ledger, mine[0])
    errands.done(ledger, mine[0])
    assert errands.kept(ledger, "https://a") == [mine[1]]
    assert len(errands.kept(ledger, "https://b")) == 1
    folder = ledger.path.with_name(ledger.path.name + ".errands")
    assert folder.stat().st_mode & 0o077 == 0


def test_damage_is_said(ledger: Ledger, probe: Probe) -> None:
    errands.put(ledger, errand(probe), probe.data)
    file = next(ledger.path.parent.glob("*.errands/*.json"))
    file.write_bytes(b"{}")
    with pytest.raises(LedgerError, match="remove it"):
        errands.kept(ledger, "https://a")
