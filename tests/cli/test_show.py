"""client show: everything an owner should know before yes, with nothing read, spent or written, on the base install."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from tests.client.asking import make_questions
from tests.e2e.worlds import table_probe

# an import of any of these fails, as it does where only the base is installed
ONLY_THE_BASE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "skimage", "sklearn", "onnx", "onnxruntime", "ray", "fastapi", "matplotlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from proxyset.cli import main
main()
"""


@pytest.fixture
def probe(tmp_path):
    made = table_probe(tmp_path / "public", clusters=8, purpose="to train \x1b[31ma model")
    (tmp_path / "probe").write_bytes(made.data)
    return made


def test_a_table(command, probe, tmp_path):
    status, facts, _ = command("client", "show", tmp_path / "probe", "--records", 500, "--json")
    assert status == 0
    assert (facts["clusters"], facts["bytes"], facts["points"]) == (8, len(probe.data), "centroids")
    assert facts["encoder"]["fingerprint"] == probe.encoder.fingerprint
    assert [column["name"] for column in facts["needs"]["columns"]][:2] == ["age", "sex"]
    assert [one["records"] for one in facts["worth"]] == [500]
    assert 0 < facts["budget"][0]["cost"] < facts["budget"][0]["cap"]


def test_nothing_is_written_or_spent(command, probe, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    before = sorted(tmp_path.rglob("*"))
    assert command("client", "show", tmp_path / "probe")[0] == 0
    assert sorted(tmp_path.rglob("*")) == before
    ledger = Ledger.open(tmp_path / "ledger.sqlite", cap=Cap(2))
    entries = ledger.entries()
    assert command("client", "show", tmp_path / "probe", "--ledger", ledger.path)[0] == 0
    assert ledger.entries() == entries
    assert command("client", "show", tmp_path / "probe", "--ledger", tmp_path / "none")[0] == 1


def test_the_policy_says_the_terms_and_whether_it_names_the_encoder(command, probe, tmp_path):
    ledger = Ledger.open(tmp_path / "ledger.sqlite")

    def shown(policy):
        adopt(ledger, policy.encode())
        return command("client", "show", tmp_path / "probe", "--ledger", ledger.path, "--json")[1]

    rest = 'unit = "person"\nmax_records = 3\nmost_epsilon = 0.2\n'
    named = shown(f'{rest}encoders = ["{probe.encoder.fingerprint}"]\n')
    privacy = named["privacy"]
    assert (privacy["unit"], privacy["max_records"], privacy["epsilon"]) == ("person", 3, 0.2)
    assert any(
        check["verdict"] == "good" and "names this encoder" in check["words"] for check in named["checks"]
    )
    other = shown(f'{rest}encoders = ["{"0" * 64}"]\n')
    assert any(check["verdict"] == "bad" and "encoder" in check["words"] for check in other["checks"])


def test_questions(command, tmp_path):
    (tmp_path / "questions").write_bytes(make_questions(purpose="to sort").data)
    status, facts, _ = command("client", "show", tmp_path / "questions", "--json")
    assert (status, facts["what"], facts["items"], facts["classes"]) == (0, "questions", 12, ["a", "b", "c"])
    assert any("No policy is in force" in check["words"] for check in facts["checks"])
    assert command("client", "show", tmp_path / "questions")[0] == 0


def test_on_the_base_install(probe, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", ONLY_THE_BASE, "client", "show", str(tmp_path / "probe"), "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")},
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["clusters"] == 8
