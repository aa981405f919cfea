from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld

import proxyset.client.labeling as module
from proxyset.client.label_privacy import label_statement
from proxyset.client.labeling import answer_questions
from proxyset.client.labels import read_labels
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import check_not_rolled_back, make_key
from proxyset.errors import (
    ArtifactError,
    BudgetExceeded,
    EncoderMismatch,
    InvalidData,
    InvalidInput,
    LedgerError,
    Refused,
)
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.questions import ABSTAINED, LabelRelease
from proxyset.wire.receipt import Receipt
from tests.client.asking import make_questions, make_records
from tests.client.test_ledger import tamper

KNN = {"rule": "private-knn", "neighbours": 90}


def debits(ledger: Ledger) -> list[str]:
    return [entry.note for entry in ledger.entries() if entry.kind == "debit"]


@pytest.mark.parametrize("options", [{}, KNN, KNN | {"screening": 0.3}], ids=["bounded", "knn", "screened"])
def test_labels_are_right_where_the_classes_are_apart(ledger: Ledger, options: dict) -> None:  # type: ignore[type-arg]
    """100 records a class against σ below 12: one wrong answer has probability below 1e-4."""
    X, labels = make_records()
    found = answer_questions(make_questions(), X, labels, epsilon=5.0, ledger=ledger, **options, dataset="X")
    assert found.labels.dtype == np.int16
    answered = found.labels != ABSTAINED
    assert answered.sum() >= 9
    np.testing.assert_array_equal(found.labels[answered], (np.arange(12) % 3)[answered])
    ledger.verify()


def test_the_same_questions_again_are_free(ledger: Ledger) -> None:
    X, labels = make_records()
    first = answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, dataset="X")
    spent = ledger.spent()
    again = answer_questions(
        make_questions(), X[:10], {}, epsilon=1.0, ledger=ledger, dataset="X"
    )  # not even looked at
    assert again.to_bytes() == first.to_bytes()
    assert ledger.spent() == spent
    answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, fresh=True, dataset="X")
    assert ledger.spent() == pytest.approx(2 * spent)
    answer_questions(make_questions(), X, labels, epsilon=0.5, ledger=ledger, dataset="X")
    answer_questions(make_questions(purpose="other"), X, labels, epsilon=1.0, ledger=ledger, dataset="X")
    assert len(debits(ledger)) == 4


def test_screening_and_votes_are_debited_one_by_one(ledger: Ledger) -> None:
    X, labels = make_records()
    found = answer_questions(
        make_questions(30),
        X,
        labels,
        epsilon=5.0,
        ledger=ledger,
        screening=0.3,
        lead=0.0,
        threshold=86,
        **KNN,
        dataset="X",
    )
    kept = int((found.labels != ABSTAINED).sum())
    assert debits(ledger) == ["screening of 30 questions", *([f"labels of {kept} questions"] if kept else [])]
    assert ledger.spent() < found.privacy.rho  # some were screened out, and are not paid for again


def test_all_screened_out(ledger: Ledger) -> None:
    X, labels = make_records()
    found = answer_questions(
        make_questions(),
        X,
        labels,
        epsilon=5.0,
        ledger=ledger,
        screening=0.3,
        threshold=10_000,
        **KNN,
        dataset="X",
    )
    assert (found.labels == ABSTAINED).all()
    assert debits(ledger) == ["screening of 12 questions"]
    ledger.verify()
    assert (
        answer_questions(
            make_questions(),
            X,
            labels,
            epsilon=5.0,
            ledger=ledger,
            screening=0.3,
            threshold=10_000,
            **KNN,
            dataset="X",
        ).to_bytes()
        == found.to_bytes()
    )


def test_the_ledger_sums_to_what_dp_accounting_says(ledger: Ledger) -> None:
    """Every vote of every draw, composed as its own discrete Gaussian."""
    X, labels = make_records()
    total = pld.identity()
    for number, options in enumerate(({}, KNN, KNN | {"screening": 0.3})):
        found = answer_questions(
            make_questions(purpose=str(number)), X, labels, epsilon=2.0, ledger=ledger, **options, dataset="X"
        )
        voting, screening = found.privacy.voting, found.privacy.screening
        moved = found.privacy.neighbours
        if screening:
            total = total.compose(pld.from_discrete_gaussian_mechanism(screening.sigma).self_compose(12))
            moved = 2 * int(debits(ledger)[-1].split()[2])
        elif found.privacy.rule == "private-knn":
            moved = 2 * 12
        total = total.compose(pld.from_discrete_gaussian_mechanism(voting.sigma).self_compose(moved))
    exact = total.get_epsilon_for_delta(1e-5)
    account = ledger.account()
    assert account.spent_rho == pytest.approx(
        math.fsum(e.rho or 0 for e in ledger.entries() if e.kind == "debit")
    )
    assert exact <= account.spent_epsilon <= 1.15 * exact
    assert account.spent_epsilon == zcdp_epsilon(account.spent_rho, 1e-5)
    assert account.reported_epsilon == pytest.approx(exact, rel=0.01)


def test_no_room_is_refused_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The screening alone would fit under the cap; the labels after it would not."""
    X, labels = make_records()
    worst = label_statement(12, 2.0, screening=0.1, **KNN)  # type: ignore[arg-type]
    ledger = Ledger.open(tmp_path / "l.sqlite", cap=Cap(1.9))
    assert worst.screening
    assert worst.screening.rho < ledger.remaining() < worst.rho
    monkeypatch.setattr(module, "label_votes", None)  # nor is anything voted
    with pytest.raises(BudgetExceeded):
        answer_questions(
            make_questions(), X, labels, epsilon=2.0, ledger=ledger, screening=0.1, **KNN, dataset="X"
        )
    assert debits(ledger) == []


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"labels": "column"}, InvalidData, "no column 'column'"),
        ({"data": np.ones((4, 5), np.float32)}, InvalidData, r"\(n, 2\)"),
        ({"questions": b"nonsense"}, ArtifactError, "set of questions"),
        ({"unit": "person"}, InvalidInput, "whose"),
        ({"neighbours": 0}, InvalidInput, "neighbours"),
        ({"server": "x" * 1001}, InvalidInput, "1001"),
    ],
)
def test_bad_input_costs_nothing(ledger: Ledger, change: dict, error: type, match: str) -> None:  # type: ignore[type-arg]
    X, labels = make_records()
    options = {
        "questions": make_questions(),
        "data": X,
        "labels": labels,
        "epsilon": 1.0,
        "ledger": ledger,
        "dataset": "X",
    }
    with pytest.raises(error, match=match):
        answer_questions(**(options | change))
    assert debits(ledger) == []


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {str(row): "z" for row in range(300)}},
        {"labels": {str(row): "a" for row in range(299)}},
        {"labels": "folder"},
        {"data": np.empty((0, 2), np.float32)},
        {"data": np.full((4, 2), np.nan, np.float32)},
    ],
    ids=["unknown labels", "one without a label", "no labels", "no records", "no numbers"],
)
def test_no_record_decides_whether_labels_leave(ledger: Ledger, change: dict) -> None:  # type: ignore[type-arg]
    X, labels = make_records()
    options = {
        "questions": make_questions(),
        "data": X,
        "labels": labels,
        "epsilon": 1.0,
        "ledger": ledger,
        "dataset": "X",
    }
    release = answer_questions(**(options | change))
    assert len(release.labels) == len(make_questions())
    assert len(debits(ledger)) == 1


def test_another_encoder_is_refused(ledger: Ledger) -> None:
    from proxyset.encoders import encoder_for
    from proxyset.encoders.encoder import EncoderSpec

    X, labels = make_records()
    other = encoder_for(EncoderSpec(name="embeddings", dim=3))
    with pytest.raises(EncoderMismatch, match="set of questions"):
        answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, encoder=other, dataset="X")


POLICY = b'unit = "record"\nencoders = "any"\nmost_epsilon = 2.0\n'


def test_a_policy_that_does_not_speak_of_labels_forbids_them(ledger: Ledger) -> None:
    X, labels = make_records()
    adopt(ledger, POLICY)
    with pytest.raises(Refused, match="most_questions"):
        answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, dataset="X")
    assert debits(ledger) == []


@pytest.mark.parametrize(
    ("extra", "options", "match"),
    [
        ("most_questions = 11", {}, "at most 11"),
        ("most_questions = 12", {"epsilon": 3.0}, "most|allows"),
        ("most_questions = 12", {"adjacency": "replace-one"}, "adjacency"),
        ("most_questions = 12\nmedoids = true", {}, "committed"),
        ('most_questions = 12\nservers = ["s"]', {}, "server"),
        ("most_questions = 12\napprove_above = 0.5", {}, "approv"),
    ],
)
def test_what_a_policy_forbids(ledger: Ledger, extra: str, options: dict, match: str) -> None:  # type: ignore[type-arg]
    X, labels = make_records()
    adopt(ledger, POLICY + extra.encode())
    with pytest.raises(Refused, match=match):
        answer_questions(
            make_questions(), X, labels, **({"epsilon": 1.0, "ledger": ledger} | options), dataset="X"
        )
    assert debits(ledger) == []


@pytest.mark.parametrize("encoders", [b"", b"encoders = []\n", b'encoders = ["hog"]\n'])
def test_questions_of_an_encoder_that_the_policy_does_not_name(ledger: Ledger, encoders: bytes) -> None:
    X, labels = make_records()
    adopt(ledger, POLICY.replace(b'encoders = "any"\n', encoders) + b"most_questions = 12")
    with pytest.raises(Refused, match="does not allow the encoder embeddings"):
        answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, dataset="X")
    assert debits(ledger) == []


def test_what_a_policy_allows(ledger: Ledger) -> None:
    X, labels = make_records()
    adopt(ledger, POLICY + b"most_questions = 12\napprove_above = 0.5")
    found = answer_questions(
        make_questions(), X, labels, epsilon=1.0, ledger=ledger, approved=True, dataset="X"
    )
    assert len(found.labels) == 12


def test_the_receipt(ledger: Ledger) -> None:
    X, labels = make_records()
    key = make_key(ledger)
    found = answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, dataset="X")
    again = LabelRelease.from_bytes(found.to_bytes())
    receipt = Receipt.of(again, key)
    assert receipt
    assert receipt.claim.privacy == again.privacy
    assert check_not_rolled_back(ledger) == 1
    replay = answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, dataset="X")
    assert replay.to_bytes() == found.to_bytes()


def test_the_size_depends_on_m_and_settings_alone(tmp_path: Path) -> None:
    sizes = set()
    for number, n in enumerate((30, 300, 900)):
        ledger = Ledger.open(tmp_path / f"{number}.sqlite", cap=Cap(100))
        make_key(ledger)
        X, labels = make_records(n, seed=number)
        found = answer_questions(
            make_questions(), X, labels, epsilon=1.0, ledger=ledger, screening=0.2, **KNN, dataset="X"
        )
        sizes.add(len(found.to_bytes()))
    assert len(sizes) == 1


def test_tampered_labels_are_found(ledger: Ledger) -> None:
    X, labels = make_records()
    answer_questions(make_questions(), X, labels, epsilon=1.0, ledger=ledger, dataset="X")
    tamper(ledger.path, "UPDATE blobs SET data = x'00'")
    with pytest.raises(LedgerError):
        Ledger.open(ledger.path).verify()


def test_persons_and_folders(tmp_path: Path, ledger: Ledger) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    X, labels = make_records(120)
    table = pa.table(
        {
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 2),
            "kind": list(labels.values()),
            "who": [str(row // 4) for row in range(120)],
        }
    )
    pq.write_table(table, tmp_path / "p.parquet")
    found = answer_questions(
        make_questions(), tmp_path / "p.parquet", "kind", epsilon=5.0, unit="person", person="who", max_records=2,
        ledger=ledger,
    )  # fmt: skip
    assert found.privacy.voting.max_records == 2
    assert ledger.account().weakest == ["one person of at most 2 records, add-remove"]
    ledger.verify()


def test_reading_labels(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text('id,label,more\n"x,1",a,0\ny,b,0\n')
    assert read_labels(file) == {"x,1": "a", "y": "b"}
    for text, match in (
        ("id,klass\n1,a\n", "id and label"),
        ("", "id and label"),
    ):
        file.write_text(text)
        with pytest.raises(InvalidData, match=match):
            read_labels(file)


def test_no_line_of_a_file_of_labels_decides_whether_an_answer_leaves(tmp_path):
    """Broken lines and two labels for one id take those records' labels alone."""
    sheet = tmp_path / "labels.csv"
    sheet.write_bytes(b'id,label\n1,a\n2,b\n2,a\n3\n4,"a\n5,b\n\xff,a\n6,\n7,a\n7,a\n')
    assert read_labels(sheet) == {"1": "a", "2": "", "5": "b", "6": "", "7": "a"}
    sheet.write_text("name,label\n1,a\n")
    with pytest.raises(InvalidData, match="needs id and label"):
        read_labels(sheet)


def test_records_with_another_label_are_told_before_the_debit(tmp_path):
    X, labels = make_records(30)
    ledger, told = Ledger.open(tmp_path / "ledger", cap=Cap(100)), []
    strange = {**labels, "0": "no such class"}
    answer_questions(
        make_questions(5, 0),
        X,
        strange,
        epsilon=1.0,
        ledger=ledger,
        dataset="X",
        confirm=lambda tally: told.append(tally) or True,
    )
    assert told[0].no_vote == {"it has no label that is asked for": 1} and told[0].votes == 29
