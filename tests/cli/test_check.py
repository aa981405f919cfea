"""client check: what would be read how, for the owner alone; and `answer` by hand, with and without --strict."""

from __future__ import annotations

import numpy as np
import pytest

from proxyset.client.ledger import Ledger
from tests.client.asking import make_questions
from tests.e2e.worlds import table_probe, visits


@pytest.fixture
def world(tmp_path):
    (tmp_path / "probe").write_bytes(table_probe(tmp_path / "public", clusters=8).data)
    visits(tmp_path / "private.csv", 60, seed=1)
    with (tmp_path / "private.csv").open("a") as file:
        file.write("old,male,01,E11,36.9,true\n")  # no age
        file.write("40,male,01,Z99,,true\n")  # a code that the pool does not have, no temperature
    return tmp_path


def test_columns_and_what_gets_no_vote(command, world):
    ledger = world / "ledger.sqlite"
    Ledger.open(ledger)
    before = ledger.read_bytes()
    status, facts, _ = command("client", "check", world / "probe", "--data", world / "private.csv", "--json")
    assert status == 0
    assert (facts["records"], facts["votes"], sum(facts["no_vote"].values())) == (62, 61, 1)
    assert any("old" in reason or "age" in reason for reason in facts["no_vote"])
    columns = {column["name"]: column["seen"] for column in facts["columns"]}
    assert set(columns) == {"age", "sex", "ward", "diagnosis", "temperature", "smoker"}
    assert all(sum(seen.values()) == 61 for seen in columns.values())
    assert columns["diagnosis"]["other"] == 1 and columns["temperature"]["empty"] >= 1
    assert ledger.read_bytes() == before
    assert not list(world.glob("*.inbox"))


def test_in_words(command, world, capsys):
    assert command("client", "check", world / "probe", "--data", world / "private.csv")[0] == 0
    words = capsys.readouterr().out
    assert "61 of 62 records would vote." in words and "Nothing was debited, stored or sent." in words


def test_labels_outside_the_list(command, tmp_path):
    (tmp_path / "questions").write_bytes(make_questions().data)
    np.save(tmp_path / "data.npy", np.zeros((4, 2), np.float32))
    (tmp_path / "labels.csv").write_text("id,label\n0,a\n1,b\n2,zebra\n3,c\n")
    arguments = ("client", "check", tmp_path / "questions", "--data", tmp_path / "data.npy", "--json")
    assert command(*arguments)[1]["votes"] == 4  # of the labels nothing was said
    _, facts, _ = command(*arguments, "--labels", tmp_path / "labels.csv")
    assert (facts["votes"], list(facts["no_vote"].values())) == (3, [1])


def test_answering_by_hand_warns_or_stops(command, world):
    ledger = world / "ledger.sqlite"
    given = ("answer", world / "probe", "--data", world / "private.csv", "--epsilon", 0.5, "--ledger", ledger)
    status, _, error = command(*given, "--out", world / "never", "--strict")
    assert status == 1 and "61 of 62 records would vote" in error and "Nothing was debited" in error
    assert Ledger.open(ledger).account().debits == 0 and not (world / "never").exists()
    status, _, error = command(*given, "--out", world / "release")
    assert status == 0 and "warning: answered all the same" in error
    assert Ledger.open(ledger).account().debits == 1
