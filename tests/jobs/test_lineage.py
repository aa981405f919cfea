"""What a model has seen travels from the answers to its card, by the commands that a person uses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from proxyset.cloud.proxy_set import ProxySet
from proxyset.jobs.label_files import origin_of, read_labels, write_labels
from proxyset.jobs.labels import Answer
from proxyset.train.onnx_model import OnnxModel
from proxyset.wire.lineage import Lineage
from proxyset.wire.model import ModelCard
from tests.jobs.students import folder

CLASSES = ",".join(f"blob {number}" for number in range(6))


@pytest.fixture
def asked(blobs, command):  # type: ignore[no-untyped-def]
    """A proxy set of 60 items, chosen with ε = 1 by an owner with a key, and the same owner's labels of it with ε = 4."""
    rng = np.random.default_rng(1)
    private = np.load(blobs / "pool.npy")[:900] + rng.normal(size=(900, 8)).astype(np.float32)
    np.save(blobs / "private.npy", private)
    write_labels([Answer(str(row), f"blob {row % 6}") for row in range(900)], blobs / "own.csv")
    run(command, "ledger", "key")
    run(command, "index", "build", blobs / "pool.npy", "--out", blobs / "index", "--clusters", 12)
    run(command, "probe", blobs / "index", "--out", blobs / "probe")
    data = ("--data", blobs / "private.npy")
    run(command, "answer", blobs / "probe", *data, "--epsilon", 1, "--out", blobs / "release")
    run(command, "select", blobs / "index", blobs / "release", "--budget", 60, "--out", blobs / "proxy")
    ask = ("client-label", "ask", blobs / "proxy", "--index", blobs / "index", "--classes", CLASSES)
    run(command, *ask, "--out", blobs / "questions")
    answer = (
        "client-label",
        "answer",
        blobs / "questions",
        *data,
        "--labels",
        blobs / "own.csv",
        "--epsilon",
        4,
    )
    run(command, *answer, "--out", blobs / "answers")
    return blobs


def run(command, *words) -> dict:  # type: ignore[no-untyped-def, type-arg]
    status, facts, error = command(*words, "--json")
    assert status == 0, error
    return facts  # type: ignore[no-any-return]


def collect(asked: Path, *more: object) -> tuple[object, ...]:
    words = ("client-label", "collect", asked / "questions", asked / "answers", "--proxy", asked / "proxy")
    return (*words, "--out", asked / "labels.csv", *more)


def train(proxy: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("train", proxy, "--steps", 5, "--device", "cpu", "--out", out, *more)


def test_a_model_says_what_its_items_and_its_labels_cost(asked: Path, command) -> None:  # type: ignore[no-untyped-def]
    """Labels at ε = 4 on items chosen at ε = 1: checkpoint, metrics, ONNX, report and card say the same, and say 2 answers."""
    found = run(command, *collect(asked))
    said = Lineage.parse(json.dumps(found["lineage"]), "")
    assert sorted(draw.privacy.epsilon for draw in said.draws) == [1.0, 4.0]
    (cost,) = said.costs  # one owner: they add up
    assert cost.epsilon > 4.0
    assert origin_of(asked / "labels.csv").lineage == said  # type: ignore[union-attr]
    hashes = ProxySet.open(asked / "proxy").selection()
    known = dict(zip(hashes.column("id").to_pylist(), hashes.column("hash").to_pylist(), strict=True))
    assert all(answer.hash == known[answer.id] for answer in read_labels(asked / "labels.csv"))
    out = asked / "model"
    run(command, *train(asked / "proxy", out, "--labels", asked / "labels.csv"))
    metrics = json.loads((out / "metrics.json").read_bytes())
    assert Lineage.parse(json.dumps(metrics["lineage"]), "") == said
    assert metrics["saw"] == said.words() and "chosen and labelled by 2 noisy answers" in said.words()
    assert f"ε = {cost.epsilon:.4g}" in (out / "report.html").read_text()
    with safe_open(out / "checkpoint.safetensors", "np") as file:
        assert Lineage.parse(file.metadata()["lineage"], "") == said
    assert OnnxModel.read(out).about.lineage == said
    run(command, "model", "pack", out / "model.onnx", "--out", asked / "packed")
    assert ModelCard.read(asked / "packed").lineage == said


def test_labels_by_hand_are_unknown_until_somebody_vouches(asked: Path, command) -> None:  # type: ignore[no-untyped-def]
    proxy = ProxySet.open(asked / "proxy")
    names = proxy.selection().column("id").to_pylist()
    write_labels([Answer(name, f"blob {int(name) % 6}") for name in names], asked / "hand.csv")
    words = ("--labels", asked / "hand.csv")
    found = run(command, *train(proxy.folder, asked / "a", *words))["lineage"]
    assert (found["unknown"], len(found["draws"])) == (True, 1)
    assert "unknown" in json.loads((asked / "a" / "metrics.json").read_bytes())["saw"]
    found = run(command, *train(proxy.folder, asked / "b", *words, "--public-inputs"))["lineage"]
    assert (found["unknown"], found["vouched"], len(found["draws"])) == (False, True, 1)
    # checked or cut, client labels keep what they saw
    run(command, *collect(asked))
    sheet = ("label", "import", asked / "labels.csv", proxy.folder, "--out", asked / "again.jsonl")
    run(command, *sheet)
    assert origin_of(asked / "again.jsonl").lineage == origin_of(asked / "labels.csv").lineage  # type: ignore[union-attr]


def test_changed_labels_and_forged_origins_are_refused(asked: Path, command) -> None:  # type: ignore[no-untyped-def]
    run(command, *collect(asked))
    beside = asked / "labels.csv.lineage.json"
    good, labels = beside.read_text(), (asked / "labels.csv").read_text()
    words = train(asked / "proxy", asked / "m", "--labels", asked / "labels.csv")
    for text, said, match in (
        (labels.replace("blob 1", "blob 0"), good, "was changed after labels.csv.lineage.json"),
        (labels, good.replace('"epsilon": 4.0', '"epsilon": 0.1'), "receipt"),
        (labels, json.dumps(json.loads(good) | {"receipts": []}), "no receipt for the answer"),
        (labels, "{}", "damaged or of another version"),
    ):
        (asked / "labels.csv").write_text(text)
        beside.write_text(said)
        status, _, error = command(*words)
        assert (status, match in error) == (1, True), error
    # without what stands beside them they are labels of unknown origin, not public ones
    (asked / "labels.csv").write_text(labels)
    beside.unlink()
    assert run(command, *words)["lineage"]["unknown"]
    # and other labels under the same name do not inherit it
    beside.write_text(good)
    write_labels([Answer("1", "a")], asked / "labels.csv")
    assert origin_of(asked / "labels.csv") is None


def test_labels_of_one_pool_do_not_train_on_another(asked: Path, command) -> None:  # type: ignore[no-untyped-def]
    """The same row numbers, other rows."""
    run(command, *collect(asked))
    np.save(asked / "other.npy", np.load(asked / "pool.npy")[::-1].copy())
    run(command, "index", "build", asked / "other.npy", "--out", asked / "index2", "--clusters", 12)
    options = ("--strategy", "random", "--budget", 1200)
    run(command, "select", asked / "index2", *options, "--out", asked / "proxy2")
    status, _, error = command(*train(asked / "proxy2", asked / "m", "--labels", asked / "labels.csv"))
    assert status == 1
    count = len(read_labels(asked / "labels.csv"))
    assert f"{count} of {count} labels" in error and "other content" in error
    assert not (asked / "m" / "model.onnx").exists()


def test_what_collect_refuses(asked: Path, command) -> None:  # type: ignore[no-untyped-def]
    genuine = (asked / "answers").read_bytes()
    from dataclasses import replace

    from proxyset.client.label_privacy import label_statement
    from proxyset.wire.questions import LabelRelease

    true = LabelRelease.from_bytes(genuine)
    bare = replace(true, receipt=b"")
    tiny = replace(bare, privacy=true.privacy.model_copy(update={"epsilon": 1e-9}))
    less = replace(bare, privacy=label_statement(60, 1.0))
    for answer, more, match in (
        (bare, (), "has no receipt"),
        (less, (), "has no receipt"),  # a rewritten header
        (replace(less, receipt=true.receipt), ("--unsigned",), "receipt in this release is for"),
        (tiny, ("--unsigned",), "claims ε = 1e-09"),
    ):
        (asked / "answers").write_bytes(answer.to_bytes())
        status, _, error = command(*collect(asked, *more))
        assert (status, match in error) == (1, True), error
        assert not (asked / "labels.csv").exists()
    (asked / "answers").write_bytes(bare.to_bytes())
    found = run(command, *collect(asked, "--unsigned"))["lineage"]
    assert sorted(draw["owner"] == "unsigned" for draw in found["draws"]) == [False, True]
    # the same owner twice: a second answer, drawn anew
    (asked / "answers").write_bytes(genuine)
    data = ("--data", asked / "private.npy", "--labels", asked / "own.csv", "--epsilon", 1)
    run(command, "client-label", "answer", asked / "questions", *data, "--out", asked / "second")
    words = collect(asked)
    status, _, error = command(*words[:4], asked / "second", *words[4:])
    assert status == 1
    assert "answers 1 and 2 are of one owner" in error


def test_a_student_saw_what_its_teacher_saw(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """A teacher trained on a set that an owner's answer chose; the student learns from it on a set that no answer chose."""
    folder(tmp_path / "pool", range(160))
    (tmp_path / "private").mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(
            tmp_path / "private" / f"{number}.png"
        )
    run(command, "index", "build", tmp_path / "pool", "--out", tmp_path / "index", "--clusters", 6)
    run(command, "probe", tmp_path / "index", "--out", tmp_path / "probe")
    data = ("--data", tmp_path / "private", "--epsilon", 2, "--out", tmp_path / "release")
    run(command, "answer", tmp_path / "probe", *data)
    chosen = (
        "select",
        tmp_path / "index",
        tmp_path / "release",
        "--budget",
        80,
        "--out",
        tmp_path / "chosen",
    )
    run(command, *chosen)
    free = ("select", tmp_path / "index", "--strategy", "random", "--budget", 80, "--out", tmp_path / "free")
    run(command, *free)
    run(command, *train(tmp_path / "chosen", tmp_path / "teacher", "--size", 16, "--model", "cnn-4"))
    words = ("distill", tmp_path / "free", "--student", "cnn-2", "--steps", 1, "--teacher")
    found = run(command, *words, tmp_path / "teacher" / "model.onnx", "--out", tmp_path / "student")
    (draw,) = found["lineage"]["draws"]
    assert (draw["privacy"]["epsilon"], found["lineage"]["unknown"]) == (2.0, False)
    assert "ε = 2 " in (tmp_path / "student" / "report.md").read_text()
    # plain images say nothing of themselves
    run(command, *train(tmp_path / "pool", tmp_path / "plain", "--size", 16, "--model", "cnn-4"))
    found = run(command, *words, tmp_path / "plain", "--out", tmp_path / "unknown")["lineage"]
    assert (found["unknown"], found["draws"]) == (True, [])
    mixed = train(tmp_path / "chosen", tmp_path / "mixed", "--size", 16, "--model", "cnn-4")
    assert run(command, *mixed, "--unlabeled", tmp_path / "pool", "--batch-size", 4)["lineage"]["unknown"]
    wider = train(
        tmp_path / "chosen", tmp_path / "wider", "--size", 16, "--model", "cnn-4", "--batch-size", 4
    )
    assert run(command, *wider, "--unlabeled", tmp_path / "free")["lineage"]["unknown"] is False
