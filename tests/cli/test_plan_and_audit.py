import json

import pytest
import typer

from proxyset.cli.audit import audit
from proxyset.cli.plan import plan
from proxyset.errors import InvalidInput


def run(function, *arguments, capsys):
    app = typer.Typer()
    app.command()(function)
    app([*arguments, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_plan(capsys):
    facts = run(plan, "--records", "900", "--clusters", "100", "--epsilon", "0.58", capsys=capsys)
    assert 0.7 < facts["captured"] < 0.95
    assert facts["privacy"]["sigma"] == pytest.approx(6.14, abs=0.01)
    wide = run(
        plan, "--records", "900", "--up-to", "2000", "--clusters", "100", "--epsilon", "0.58", capsys=capsys
    )
    assert wide["captured"] == facts["captured"] < wide["captured_up_to"] < 1
    with pytest.raises(InvalidInput, match="less than"):
        run(plan, "--records", "9", "--up-to", "8", "--clusters", "10", "--epsilon", "0.58", capsys=capsys)
    with pytest.raises(InvalidInput):
        run(plan, "--records", "0", "--clusters", "100", "--epsilon", "0.58", capsys=capsys)


def test_audit(capsys):
    """2,000 trials prove little: false alarm 1e-3 at most."""
    facts = run(audit, "--trials", "2000", capsys=capsys)
    assert facts["passed"] is True
    assert facts["trials"] == 2000
