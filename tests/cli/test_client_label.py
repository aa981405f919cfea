"""The whole of client labeling through the command line, on embeddings with known classes."""

import csv
import json

import numpy as np
import pytest


@pytest.fixture
def drawn(blobs, command):
    """A proxy set of 60 items, drawn with one release; private labels are the blob, the class of pool row i is i mod 6."""
    rng = np.random.default_rng(1)
    private = np.load(blobs / "pool.npy")[: 6 * 150] + rng.normal(size=(900, 8)).astype(np.float32)
    np.save(blobs / "private.npy", private)
    with (blobs / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "label"), *((row, f"blob {row % 6}") for row in range(900))])
    for words in (
        ("index", "build", blobs / "pool.npy", "--out", blobs / "index", "--clusters", 12),
        ("probe", blobs / "index", "--out", blobs / "probe"),
        (
            "answer",
            blobs / "probe",
            "--data",
            blobs / "private.npy",
            "--epsilon",
            0.58,
            "--out",
            blobs / "release",
        ),
        ("select", blobs / "index", blobs / "release", "--budget", 60, "--out", blobs / "proxy"),
    ):
        assert command(*words)[0] == 0
    return blobs


def ask(drawn, command):
    classes = ",".join(f"blob {n}" for n in range(6))
    words = ("--index", drawn / "index", "--classes", classes, "--out", drawn / "questions")
    return command("client-label", "ask", drawn / "proxy", *words, "--json")


def answer(drawn, command, *more):
    words = ("--data", drawn / "private.npy", "--epsilon", 4, "--out", drawn / "answers", *more)
    return command("client-label", "answer", drawn / "questions", *words, "--json")


@pytest.mark.parametrize("rule", [(), ("--rule", "private-knn", "--neighbours", 120, "--screening", 0.2)])
def test_the_story(drawn, command, rule):
    assert ask(drawn, command)[1]["items"] == 60
    status, facts, _ = answer(drawn, command, "--labels", drawn / "labels.csv", *rule)
    assert status == 0
    assert facts["answered"] > 30
    assert facts["debited_rho"] > 0
    status, again, _ = answer(drawn, command, "--labels", drawn / "labels.csv", *rule)
    assert (status, again["debited_rho"], again["answered"]) == (0, 0, facts["answered"])
    words = ("client-label", "collect", drawn / "questions", drawn / "answers", "--proxy", drawn / "proxy")
    words = (*words, "--out", drawn / "out.csv", "--unsigned")  # its ledger has no key
    assert command(*words, "--json")[1]["labeled"] == facts["answered"]
    with (drawn / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = sum(row["label"] == f"blob {int(row['id']) % 6}" for row in rows)
    assert right >= 0.9 * len(rows)
    _, ledger, _ = command("ledger", "show", "--json")  # one ledger for counts and labels
    assert [e["kind"] for e in ledger["entries"]].count("debit") == (3 if rule else 2)
    assert ledger["spent_rho"] > facts["debited_rho"]
    assert command("ledger", "verify")[0] == 0
    _, history, _ = command("client", "history", "--json")
    assert [sent["what"] for sent in history["answers"]] == ["counts", "labels"]


def test_what_left_is_shown_and_verified(drawn, command):
    ask(drawn, command)
    assert command("ledger", "key")[0] == 0
    answer(drawn, command, "--labels", drawn / "labels.csv")
    verify = ("client", "verify", drawn / "answers", "--questions", drawn / "questions")
    status, facts, _ = command(*verify, "--json")
    assert (status, facts["claim"]["privacy"]["rule"]) == (0, "bounded-votes")
    command(
        "client-label",
        "ask",
        drawn / "proxy",
        "--index",
        drawn / "index",
        "--classes",
        "a,b",
        "--out",
        drawn / "q2",
    )
    assert "does not answer" in command(*verify[:-1], drawn / "q2")[2]
    _, facts, _ = command("client", "history", "--json")
    entry = facts["answers"][-1]["entry"]
    _, shown, _ = command("client", "history", "--entry", entry, "--out", drawn / "bytes", "--json")
    assert bytes.fromhex(shown["answers"][0]["hex"]) == (drawn / "answers").read_bytes()
    assert len(shown["answers"][0]["labels"]) == 60
    assert command("client", "history", "--entry", entry)[0] == 0


def test_a_plan_reads_nothing(command):
    words = ("--records", 1000, "--questions", 300, "--classes", 10, "--epsilon", 4)
    status, facts, _ = command("client-label", "plan", *words, "--json")
    assert status == 0
    assert 0 < facts["survives"] <= 1
    assert json.dumps(facts["privacy"])


def test_where_the_labels_are_is_said_once(drawn, command):
    ask(drawn, command)
    for more in ((), ("--labels", drawn / "labels.csv", "--folder-names")):
        status, _, error = answer(drawn, command, *more)
        assert status == 1
        assert "--label-column" in error


def test_a_policy_without_questions_refuses(drawn, command):
    ask(drawn, command)
    (drawn / "policy.toml").write_text('unit = "record"\nencoders = "any"\n')
    assert command("ledger", "policy", drawn / "policy.toml")[0] == 0
    status, _, error = answer(drawn, command, "--labels", drawn / "labels.csv")
    assert status == 3
    assert "most_questions" in error
