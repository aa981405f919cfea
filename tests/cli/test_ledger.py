import json

import numpy as np
import pytest

from tests.client.conftest import make_probe


@pytest.fixture
def files(tmp_path):
    (tmp_path / "probe").write_bytes(make_probe().to_bytes())
    (tmp_path / "other").write_bytes(make_probe(seed=9).to_bytes())
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    return tmp_path


def ask(command, files, probe="probe", epsilon=0.58, *more):
    return command(
        "answer", files / probe, "--data", files / "x.npy", "--epsilon", epsilon, "--ledger", files / "l",
        "--out", files / "release", "--json", *more,
    )  # fmt: skip


def test_answer_debits_once_and_replays(command, files):
    status, facts, _ = ask(command, files)
    assert status == 0
    assert facts["debited_rho"] == facts["privacy"]["rho"]
    first = (files / "release").read_bytes()
    status, facts, _ = ask(command, files)
    assert (status, facts["debited_rho"]) == (0, 0)
    assert (files / "release").read_bytes() == first


def test_refused_is_exit_3_and_leaves_nothing(command, files):
    assert command("ledger", "cap", files / "l", "--epsilon", "0.6", "--json")[0] == 0
    assert ask(command, files)[0] == 0
    (files / "release").unlink()
    before = (files / "l").read_bytes()
    status, facts, error = ask(command, files, "other")
    assert (status, facts) == (3, None)
    assert "refused: this answer costs" in error
    assert not (files / "release").exists()
    assert (files / "l").read_bytes() == before


def test_other_settings_and_fresh_are_debited(command, files):
    spent = [
        ask(command, files, "probe", *options)[1]["debited_rho"] for options in ((0.58,), (0.3,), (0.3,))
    ]
    assert spent[0] > spent[1] > spent[2] == 0
    assert ask(command, files, "probe", 0.3, "--fresh")[1]["debited_rho"] == pytest.approx(spent[1])


def test_show_verify_export(command, files):
    ask(command, files)
    status, facts, _ = command("ledger", "show", files / "l", "--json")
    assert status == 0
    assert [entry["kind"] for entry in facts["entries"]] == ["cap", "debit", "release"]
    assert facts["cap_epsilon"] == 10
    assert 0.57 < facts["reported_epsilon"] < 0.6
    status, facts, _ = command("ledger", "verify", files / "l", "--json")
    assert (status, facts["entries"]) == (0, 3)
    assert command("ledger", "export", files / "l", "--out", files / "l.jsonl")[0] == 0
    assert len([json.loads(line) for line in (files / "l.jsonl").read_text().splitlines()]) == 3
    assert command("ledger", "show", files / "l")[0] == 0


def test_a_missing_or_foreign_ledger(command, files):
    assert command("ledger", "show", files / "none")[0] == 1
    assert not (files / "none").exists()
    assert command("ledger", "verify", files / "x.npy")[0] == 1
