"""A real teacher, distilled on a real proxy set: what fits, what it says of itself, and that it works for the client."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from proxyset.client.calibration import privacy_statement
from proxyset.client.predict import predict
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.jobs.compression import Budget, compress
from proxyset.train.distillation import Teaching
from proxyset.train.export import with_lineage
from proxyset.train.family import FAMILY, size_of
from proxyset.train.loop import Run
from proxyset.train.onnx_model import OnnxModel
from proxyset.train.settings import Settings
from proxyset.wire.lineage import PRIVATE, PUBLIC, UNKNOWN, Draw, Lineage
from proxyset.wire.model import Model, ModelCard
from tests.jobs.students import CLASSES, SIDE, folder, proxy_of, teacher_bytes
from tests.wire.models import KEY, card_of

SHORT = Settings(steps=80, batch_size=32, ema=0.9, augment="none")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.onnx"
    path.write_bytes(teacher_bytes())
    return path


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> ProxySet:
    return proxy_of(tmp_path_factory.mktemp("proxy"))


def test_from_teacher_to_the_clients_predictions(teacher: Path, proxy: ProxySet, tmp_path: Path) -> None:
    most = 20_000
    held_out = folder(tmp_path / "test", range(5000, 5100))
    report = compress(
        proxy, teacher, tmp_path / "out", budget=Budget(max_bytes=most), settings=SHORT, test=held_out
    )
    models = report.models
    assert models["int8"].bytes <= most and models["int8"].bytes < models["teacher"].bytes
    larger = FAMILY[FAMILY.index(report.student) + 1]
    foretold = size_of(report.student, CLASSES, SIDE, "int8", report.lineage).bytes
    assert models["int8"].bytes <= foretold <= models["int8"].bytes + 16
    assert models["float32"].bytes == size_of(report.student, CLASSES, SIDE, "float32", report.lineage).bytes
    assert size_of(larger, CLASSES, SIDE, "int8").bytes > most
    assert models["teacher"].right is not None and models["teacher"].right >= 95
    assert models["teacher"].multiply_adds == size_of("cnn-12", CLASSES, SIDE, "float32").multiply_adds
    for precision in ("float32", "int8"):
        found = models[precision]
        assert found.right is not None and found.right >= 90 and found.tested == 100
        place = tmp_path / "out" / precision
        card = ModelCard.read(place)
        assert (card.classes, card.bytes) == (list(CLASSES), (place / "model.onnx").stat().st_size)
        assert card.multiply_adds == size_of(report.student, CLASSES, SIDE, "float32").multiply_adds
        signed = Model.sign(card, (place / "model.onnx").read_bytes(), KEY)
        # what the client computes from files is what the report counted from arrays
        assert predict(signed, held_out).right == found.right
    assert report.lineage == UNKNOWN  # this teacher does not say what it saw
    told = (tmp_path / "out" / "report.md").read_text()
    assert report.student in told and "| int8 |" in told
    assert json.loads((tmp_path / "out" / "report.json").read_text())["items"] == 120


def test_the_card_says_what_the_teacher_and_the_releases_saw(
    teacher: Path, proxy: ProxySet, tmp_path: Path
) -> None:
    quick = Settings(steps=1, batch_size=8)
    one = Draw(release="1" * 64, privacy=privacy_statement(0.5), owner="a" * 64)
    answers = Lineage.of([one])
    for number, (in_file, on_card, options, expected) in enumerate(
        [
            (None, None, {}, UNKNOWN),
            (None, None, {"public_inputs": True}, UNKNOWN.vouch()),
            (PUBLIC, None, {}, PUBLIC),
            (answers, None, {}, answers),
            (PUBLIC, answers, {}, answers),
            (answers, PRIVATE, {"public_inputs": True}, Lineage.union([answers, PRIVATE])),
            (answers, None, {"teacher_saw_private": True}, Lineage.union([answers, PRIVATE])),
        ]
    ):
        place = tmp_path / f"teacher-{number}"
        place.mkdir()
        model = OnnxModel.read(teacher)
        data = with_lineage(model.data, model.about, in_file or UNKNOWN)
        (place / "model.onnx").write_bytes(data)
        if on_card:
            (place / "card.json").write_text(card_of(data, lineage=on_card).model_dump_json())
        out = tmp_path / f"out-{number}"
        report = compress(proxy, place, out, student="cnn-2", settings=quick, **options)  # type: ignore[arg-type]
        for precision in ("float32", "int8"):
            assert report.lineage == ModelCard.read(out / precision).lineage == expected
            assert OnnxModel.read(out / precision).about.lineage == expected
    (place / "card.json").write_text(card_of(b"another").model_dump_json())
    with pytest.raises(ArtifactError, match="another model"):
        compress(proxy, place, tmp_path / "no", student="cnn-2", settings=quick)


def test_true_labels_help_only_where_they_are(teacher: Path, proxy: ProxySet, tmp_path: Path) -> None:
    quick, rule = Settings(steps=2, batch_size=8), Teaching(label_weight=0.5)
    compress(proxy, teacher, tmp_path / "a", student="cnn-2", settings=quick, rule=rule)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("card.json", "items"):
        (other / name).symlink_to(proxy.folder / name)
    table = proxy.selection()
    labels = ["zebra", *table.column("label").to_pylist()[1:]]
    place = table.schema.get_field_index("label")
    pq.write_table(table.set_column(place, "label", [labels]), other / "selection.parquet")
    with pytest.raises(InvalidData, match=r"1 classes that the model does not know \('zebra'\)"):
        compress(ProxySet.open(other), teacher, tmp_path / "b", student="cnn-2", settings=quick, rule=rule)
    assert not (tmp_path / "b").exists()


def test_a_distillation_that_is_killed_leaves_nothing_and_test_items_of_the_proxy_set_are_named(
    teacher: Path, proxy: ProxySet, tmp_path: Path
) -> None:
    test = folder(tmp_path / "test", range(5000, 5010))
    shutil.copy(next((proxy.folder / "items").rglob("*.png")), test / CLASSES[0] / "taught.png")
    told: list[str] = []
    (tmp_path / "outs").mkdir()

    def on_step(done: int, total: int) -> None:
        assert not list((tmp_path / "outs").iterdir())  # whatever kills it here

    run = Run(device="cpu", on_step=on_step, warn=told.append)
    few = Settings(steps=3, batch_size=8)
    report = compress(
        proxy, teacher, tmp_path / "outs" / "a", student="cnn-4", settings=few, test=test, run=run
    )
    assert told == list(report.notes) and "1 of 11 test items are among the proxy items" in told[0]
    assert "taught.png" in told[0] and told[0] in (tmp_path / "outs" / "a" / "report.md").read_text()
    with pytest.raises(FileExistsError):  # before it trains
        compress(proxy, teacher, tmp_path / "outs" / "a", student="cnn-4", settings=Settings(steps=10**9))


def test_bad_input(teacher: Path, proxy: ProxySet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InvalidInput, match="chosen by a budget"):
        compress(proxy, teacher, out)
    with pytest.raises(InvalidInput, match=r"no student fits.*cnn-2"):
        compress(proxy, teacher, out, budget=Budget(max_bytes=1000))
    with pytest.raises(InvalidInput, match="more than the 10 allowed"):
        compress(proxy, teacher, out, student="cnn-4", budget=Budget(max_multiply_adds=10))
    with pytest.raises(InvalidInput, match="cannot read the model"):
        compress(proxy, tmp_path / "none.onnx", out, student="cnn-4")
    (tmp_path / "bad.onnx").write_bytes(b"checkpoint")
    with pytest.raises(InvalidData, match="not an ONNX model"):
        compress(proxy, tmp_path / "bad.onnx", out, student="cnn-4")
    with pytest.raises(InvalidData, match="classes that the model does not know"):
        strange = folder(tmp_path / "test", range(2))
        (strange / "lying").rename(strange / "sitting")
        compress(proxy, teacher, out, student="cnn-4", test=strange)
    assert not out.exists()
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32))
    from proxyset.cloud.build import build_index
    from proxyset.cloud.proxy_set import select

    index = build_index(tmp_path / "pool.npy", tmp_path / "index", clusters=4)
    embeddings = select(index, [], tmp_path / "embeddings", budget=10, strategy="random")
    with pytest.raises(InvalidInput, match="classifiers of images"):
        compress(embeddings, teacher, out, student="cnn-4")


def test_the_command(command, teacher: Path, proxy: ProxySet, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    arguments = ("distill", proxy.folder, "--teacher", teacher, "--student", "cnn-2", "--steps", 1)
    status, found, told = command(*arguments, "--out", tmp_path / "a", "--json")
    assert (status, found["student"], "NOT PRIVATE" in told) == (0, "cnn-2", False)
    status, found, told = command(*arguments, "--out", tmp_path / "b", "--teacher-saw-private", "--json")
    assert (status, found["lineage"]["private"], "NOT PRIVATE" in told) == (0, True, True)
    assert command(*arguments, "--out", tmp_path / "b")[0] == 1
    assert command(*arguments[:-4], "--out", tmp_path / "c", "--max-bytes", 10)[0] == 1
    packed = ("model", "pack", tmp_path / "a" / "int8" / "model.onnx", "--out")
    status, found, _ = command(*packed, tmp_path / "p", "--json")
    assert (status, found["card"]["lineage"]["unknown"]) == (0, True)
    status, found, _ = command(*packed, tmp_path / "q", "--public-inputs", "--proxy", proxy.folder, "--json")
    assert (status, found["card"]["lineage"]) == (0, UNKNOWN.vouch().model_dump(mode="json"))
