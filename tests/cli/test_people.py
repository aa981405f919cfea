"""Who may talk to the server, by commands."""

import pytest

from proxyset.cli import run


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokens", "create", "x", "--days", "nan"),
        ("tokens", "create", "x", "--days", "1e30"),
        ("tokens", "create", "x\u202ey"),
        ("operators", "create", "x", "--scope", "write"),
        ("operators", "create", "x", "--scope", "clients:one"),
        ("operators", "create", "oidc:x"),
        ("operators", "readmit", "x"),
    ],
)
def test_what_cannot_be_meant(arguments, tmp_path, capsys):
    assert (
        run(["server", "operators", "create", "ann", "--scope", "read:one", "--state", str(tmp_path / "s")])
        == 0
    )
    capsys.readouterr()
    assert run(["server", *arguments, "--state", str(tmp_path / "s")]) in (1, 2)
    told = capsys.readouterr()
    assert told.out == "" and "bug" not in told.err and "\u202e" not in told.err


def test_rates_are_numbers(tmp_path, capsys):
    assert run(["serve", "--state", str(tmp_path), "--client-rate", "nan"]) == 1
    assert "numbers" in capsys.readouterr().err
