import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from proxyset.errors import InvalidData, InvalidInput
from proxyset.train.dataset import framing
from proxyset.train.export import About, about_images, export_onnx
from proxyset.train.models import build_model, linear_model


def test_an_image_model_travels_with_its_classes_and_preprocessing(tmp_path):
    torch.manual_seed(0)
    model = build_model("cnn-8", 3, size=20)
    for _ in range(3):
        model(torch.rand(16, 3, 20, 20))  # running statistics that are not the initial ones
    path = tmp_path / "model.onnx"
    was = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert export_onnx(model, path, about_images(("a", "b", "ü"), framing(20))) < 1e-4
    assert model.training
    assert all(torch.equal(was[name], tensor) for name, tensor in model.state_dict().items())
    session = onnxruntime.InferenceSession(path)
    about = json.loads(session.get_modelmeta().custom_metadata_map["proxyset"])
    assert about["classes"] == ["a", "b", "ü"]
    assert about["framing"]["size"] == [20, 20]
    assert about["schema"] == "proxyset.classifier/1"
    assert [o.version for o in onnx.load(path).opset_import] == [17]
    x = np.random.default_rng(1).random((9, 3, 20, 20), dtype=np.float32)
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(x)).numpy()
    for n in (1, 9):
        actual = session.run(None, {"input": x[:n]})[0]
        assert np.abs(actual - expected[:n]).max() < 1e-4


def test_a_head_on_embeddings(tmp_path):
    X = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    export_onnx(linear_model(X, 2), tmp_path / "m.onnx", About(("no", "yes"), "embedding"))
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert session.run(None, {"input": X})[0].shape == (50, 2)


def test_classes_must_be_as_many_as_outputs(tmp_path):
    with pytest.raises(InvalidInput, match="3 outputs; 2 classes"):
        export_onnx(build_model("cnn-4", 3), tmp_path / "m.onnx", about_images(("a", "b"), framing(32)))
    assert not list(tmp_path.iterdir())


class Branching(torch.nn.Module):
    """Does another thing when it is traced than afterwards."""

    def forward(self, x):
        return x.flatten(1)[:, :4] * (1.0 if torch.onnx.is_in_onnx_export() else 2.0)


def test_a_model_that_onnx_cannot_hold_is_found_out_and_nothing_is_left(tmp_path):
    model = build_model("cnn-4", 2, size=8)
    model.body, model.head = Branching(), torch.nn.Linear(4, 2)
    with pytest.raises(InvalidData, match="differs from the original"):
        export_onnx(model, tmp_path / "m.onnx", about_images(("a", "b"), framing(8)))
    assert not list(tmp_path.iterdir())
