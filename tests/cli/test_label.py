import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.jobs.label_files import read_labels
from tests.jobs.test_training import drawn  # noqa: F401


def fill(path, label_of):
    """Fill in the column `label`, as a person with a spreadsheet would."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = label_of(row["id"])
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [row["id"] for row in rows]


def test_a_sheet_is_filled_in_checked_and_trained_on(drawn, tmp_path, command):  # noqa: F811
    sheet, labels = tmp_path / "sheet.csv", tmp_path / "labels.csv"
    status, told, _ = command("label", "export", drawn / "proxy", "--first", 40, "--out", sheet, "--json")
    assert (status, told["rows"]) == (0, 40)
    assert (
        command("label", "export", drawn / "proxy", "--out", sheet)[0] == 1
    )  # somebody may have filled it in
    wrong = {"lying": "standing", "standing": "lying"}
    ids = fill(sheet, lambda item: item.split("/")[0])
    fill(sheet, lambda item: wrong[item.split("/")[0]] if item == ids[7] else item.split("/")[0])
    with sheet.open() as file:
        shown = next(csv.DictReader(file))["file"]
    assert (drawn / "proxy" / "items" / shown.rsplit("/")[-1]).exists()

    status, told, _ = command("label", "import", sheet, drawn / "proxy", "--out", labels, "--json")
    assert (status, told["labeled"], told["unlabeled"], sum(told["classes"].values())) == (0, 40, 20, 40)
    selection = pq.read_table(drawn / "proxy" / "selection.parquet")
    hashes = dict(zip(selection["id"].to_pylist(), selection["hash"].to_pylist(), strict=True))
    assert {answer.id: answer.hash for answer in read_labels(labels)} == {item: hashes[item] for item in ids}

    status, told, _ = command("label", "check", labels, drawn / "proxy", "--index", drawn / "index", "--json")
    assert (status, told["labeled"], len(told["unlabeled"]), told["alpha"]) == (0, 40, 20, None)
    assert ids[7] in {suspect["id"] for suspect in told["suspicious"]}
    status, _, error = command("label", "check", labels, drawn / "proxy", "--complete")
    assert status == 1 and "20 of 60 items have no label" in error
    status, _, error = command("label", "check", labels, drawn / "proxy", "--classes", "lying,sitting")
    assert status == 1 and "'standing'" in error

    status, told, _ = command(
        "label", "curve", labels, drawn / "proxy", "--first", "10,1000", "--test", drawn / "test", "--unlabeled",
        drawn / "pool", "--size", 16, "--model", "cnn-8", "--steps", 30, "--out", tmp_path / "curve", "--json",
    )  # fmt: skip
    assert status == 0
    assert [(found["first"], found["labeled"]) for found in told["rounds"]] == [(10, 10), (60, 40)]
    metrics = json.loads((tmp_path / "curve" / "first-60" / "metrics.json").read_text())
    assert (metrics["method"], metrics["classes"]) == ("fixmatch", ["lying", "standing"])


def test_several_annotators_in_words(blobs, command, capsys):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=4)
    proxy = select(index, [], blobs / "proxy", budget=12, strategy="random")
    ids = proxy.selection().column("id").to_pylist()
    rows = ["id,label,annotator"]
    for place, item in enumerate(ids):
        rows += [f"{item},{'ab'[place % 2]},ann", f"{item},{'ab'[place % 2 if place else 1]},bob"]
    (blobs / "labels.csv").write_text("\n".join(rows))
    assert command("label", "check", blobs / "labels.csv", blobs / "proxy")[0] == 0
    words = capsys.readouterr().out
    assert "11 of 12 items are labeled: a 5, b 6" in words
    assert f"1 with a tie between annotators, left out: {ids[0]}" in words
    assert "ann and bob: 91.7 % equal on 12, Cohen's kappa 0.833" in words


@pytest.mark.parametrize("suffix", ["tsv", "json", "jsonl"])
def test_sheets_of_tables_and_texts(tmp_path, command, suffix):
    table = pa.table(
        {"id": [f"r{n}" for n in range(40)], "x": [n / 7 for n in range(40)], "label": ["?"] * 40}
    )
    pq.write_table(table, tmp_path / "pool.parquet")
    index = build_index(tmp_path / "pool.parquet", tmp_path / "index", clusters=3, kind="table")
    select(index, [], tmp_path / "proxy", budget=6, strategy="random")
    sheet = tmp_path / f"sheet.{suffix}"
    assert command("label", "export", tmp_path / "proxy", "--out", sheet)[0] == 0
    answers = read_labels(sheet)
    assert (
        len(answers) == 6
        and not any(answer.label for answer in answers)
        and all(answer.hash for answer in answers)
    )
    assert "x" in sheet.read_text()
    status, _, error = command("label", "import", sheet, tmp_path / "proxy", "--out", tmp_path / "l.csv")
    assert status == 1 and "none of the 6 items has a label" in error


def test_a_token_is_asked_for_and_never_an_option(blobs, command, tmp_path, monkeypatch):
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    arguments = [
        "label",
        "pull",
        "--url",
        "http://127.0.0.1:9",
        "--project",
        "name",
        "--out",
        tmp_path / "l.csv",
    ]
    status, _, error = command(*arguments)
    assert status == 1 and "no --token-file, and no variable LABEL_STUDIO_API_KEY" in error
    (tmp_path / "token").write_text("\n")
    status, _, error = command(*arguments, "--token-file", tmp_path / "token")
    assert status == 1 and "is empty" in error
    assert command(*arguments, "--token", "x")[0] == 2
    status, _, error = command("label", "curve", "l.csv", "p", "--first", "a", "--test", "t", "--out", "o")
    assert status == 1
