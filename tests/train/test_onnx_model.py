from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from proxyset.errors import InvalidData, InvalidInput
from proxyset.train.distillation import Teaching, distil
from proxyset.train.export import About, about_images, export_onnx
from proxyset.train.latency import latency
from proxyset.train.models import Classifier, build_model, linear_model
from proxyset.train.onnx_model import OnnxModel
from proxyset.train.quantise import quantise
from proxyset.train.settings import Settings
from tests.jobs.students import CLASSES, SIDE, arrays, teacher_bytes
from tests.wire.models import linear


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Classifier, bytes]:
    from proxyset.train.dataset import framing

    torch.manual_seed(3)
    model = build_model("cnn-4", 2, size=SIDE).eval()
    path = tmp_path_factory.mktemp("m") / "m.onnx"
    export_onnx(model, path, about_images(CLASSES, framing(SIDE)))
    return model, path.read_bytes()


def test_reads_back_what_was_exported(exported: tuple[Classifier, bytes], tmp_path: Path) -> None:
    model, data = exported
    read = OnnxModel.of(data)
    assert (read.about.classes, read.about.input, read.shape) == (CLASSES, "image", (3, SIDE, SIDE))
    items, _ = arrays(range(300))
    with torch.inference_mode():
        expected = model(torch.from_numpy(items).float() / 255).numpy()
    np.testing.assert_allclose(read.logits(items.astype(np.float32) / 255), expected, atol=1e-4)
    np.testing.assert_array_equal(read.predict(items), expected.argmax(axis=1))
    (tmp_path / "model.onnx").write_bytes(data)
    assert OnnxModel.read(tmp_path).data == data


def test_a_head_on_embeddings(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    export_onnx(linear_model(X, 3).eval(), tmp_path / "m.onnx", About(("a", "b", "c"), "embedding"))
    read = OnnxModel.read(tmp_path / "m.onnx")
    assert read.shape == (5,) and read.predict(X).shape == (40,)
    assert quantise(read.data, X) != read.data


def test_teaches_as_the_original_does(exported: tuple[Classifier, bytes]) -> None:
    """Distilling from the file and from the torch model it came from gives the same student, to rounding."""
    items, _ = arrays(range(64))
    settings = Settings(steps=8, batch_size=16, ema=0.0, augment="weak")
    students = []
    for teacher in (exported[0], OnnxModel.of(exported[1]).teacher()):
        torch.manual_seed(1)
        student = build_model("cnn-2", 2, size=SIDE)
        distil(student, teacher, items, settings, Teaching(temperature=2.0))
        students.append([value.detach().numpy() for value in student.state_dict().values()])
    for ours, theirs in zip(*students, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_two_files_are_two_teachers(exported: tuple[Classifier, bytes]) -> None:
    first = OnnxModel.of(exported[1]).teacher().state_dict()
    other = OnnxModel.of(teacher_bytes()).teacher().state_dict()
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_what_is_no_classifier_of_ours(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(linear(np.eye(3, 2)))
    with pytest.raises(InvalidData, match="checkpoint has to be exported"):
        OnnxModel.read(tmp_path / "m.onnx")
    with pytest.raises(InvalidInput, match="cannot read"):
        OnnxModel.read(tmp_path / "none")


def test_int8_says_nearly_the_same_and_is_smaller() -> None:
    items, _ = arrays(range(400, 600))
    data = teacher_bytes()
    small = quantise(data, items[:50])
    assert len(small) < len(data) / 2
    before, after = OnnxModel.of(data), OnnxModel.of(small)
    assert after.about == before.about
    assert (before.predict(items) == after.predict(items)).mean() > 0.95
    with pytest.raises(InvalidInput, match="there are 0"):
        quantise(data, items[:0])


def test_latency_is_a_ratio(exported: tuple[Classifier, bytes]) -> None:
    x = np.zeros((1, 3, SIDE, SIDE), np.float32)
    found = latency({"large": teacher_bytes(), "same": teacher_bytes(), "small": exported[1]}, x, rounds=6)
    assert found["large"].ratio == 1.0
    assert found["small"].seconds > 0 and found["small"].low <= found["small"].ratio <= found["small"].high
    with pytest.raises(InvalidInput, match="nothing to time"):
        latency({}, x)
