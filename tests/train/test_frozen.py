import json

import numpy as np
import onnx
import pytest
import torch

from proxyset.encoders.export import Exportable, export_encoder
from proxyset.encoders.images import Framing
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.errors import InvalidInput
from proxyset.train.export import about_images
from proxyset.train.frozen import export_frozen
from proxyset.train.models import build_model, linear_model, usual_size
from proxyset.train.onnx_model import OnnxModel

CLASSES = ("a", "b", "c")


class Network(torch.nn.Module):
    """Pixels in one of the forms that recipes know, to tokens, to places or to features."""

    def __init__(self, given, pooling):
        super().__init__()
        self.given, self.pooling = given, pooling
        torch.manual_seed(1)
        channels = len(given.mean)
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 8, 3, 2, padding=1), torch.nn.BatchNorm2d(8), torch.nn.Hardswish(),
            torch.nn.Conv2d(8, 8, 3, padding=1, groups=2), torch.nn.GELU(), torch.nn.MaxPool2d(2),
        )  # fmt: skip
        self.norm = torch.nn.LayerNorm(8)

    def forward(self, x):
        x = x.permute(0, 3, 1, 2) if self.given.layout == "NHWC" else x
        places = self.body(x.float() / (200 if self.given.dtype == "uint8" else 1))
        if self.pooling == "none":
            return places.mean((2, 3))
        if self.pooling == "mean":
            return places
        return self.norm(places.flatten(2).transpose(1, 2)).softmax(-1)


def encoder_of(folder, pooling="none", **options):
    given = Preprocessing(size=(16, 16), **options)
    return export_encoder(Exportable(Network(given, pooling), given, pooling), folder)


def head_on(encoder, images):
    X = encoder.features(images)
    head = linear_model(X, len(CLASSES))
    torch.manual_seed(2)
    torch.nn.init.normal_(head.head.weight)
    torch.nn.init.normal_(head.head.bias)
    return head.eval(), head(torch.from_numpy(X)).detach().numpy()


PLAIN = {"scale": 1 / 255, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}
FORMS = [
    ("none", PLAIN),
    ("mean", PLAIN | {"colours": "BGR", "resize": "crop", "shorter_side": 20}),
    ("cls", PLAIN | {"layout": "NHWC"}),
    ("none", {"dtype": "uint8", "layout": "NHWC"}),
    ("mean", {"colours": "L", "mean": [127.0], "std": [60.0]}),
]


@pytest.mark.parametrize(("pooling", "options"), FORMS)
def test_one_file_gives_what_encoder_and_head_give_one_after_the_other(tmp_path, pooling, options):
    encoder = encoder_of(tmp_path / "encoder", pooling, **options)
    gray = encoder.recipe.input.colours == "L"
    shape = (7, 16, 16) if gray else (7, 16, 16, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    head, expected = head_on(encoder, images)
    given = Framing.model_validate(encoder.recipe.input.model_dump(include=set(Framing.model_fields)))
    file = tmp_path / "model.onnx"
    assert export_frozen(head, encoder, file, about_images(CLASSES, given)) <= 1e-4
    onnx.checker.check_model(onnx.load(file))
    model = OnnxModel.read(file)
    assert model.about.classes == CLASSES and model.about.input == "image"
    assert model.about.framing == json.loads(given.model_dump_json())
    x = (images[..., None] if gray else images).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(model.logits(x.astype(np.float32) / 255), expected, rtol=1e-3, atol=1e-3)


def test_an_encoder_of_a_fixed_number_of_images_is_refused(tmp_path):
    encoder = encoder_of(tmp_path / "encoder", **PLAIN)
    model = onnx.load(tmp_path / "encoder" / "model.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, tmp_path / "encoder" / "model.onnx")
    head, _ = head_on(encoder, np.zeros((3, 16, 16, 3), np.uint8))
    with pytest.raises(InvalidInput, match="2 images at once"):
        export_frozen(
            head,
            OnnxEncoder(tmp_path / "encoder"),
            tmp_path / "m",
            about_images(CLASSES, Framing(size=(16, 16))),
        )


@pytest.mark.parametrize(("pooling", "options"), FORMS[:4])
def test_an_encoder_folder_is_a_network_that_learns(tmp_path, pooling, options):
    encoder = encoder_of(tmp_path / "encoder", pooling, **options)
    name = f"onnx:{tmp_path / 'encoder'}"
    assert usual_size(name) == 16
    model = build_model(name, 3, size=16).eval()
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    ordered = images[..., ::-1] if encoder.recipe.input.colours == "BGR" else images
    np.testing.assert_allclose(
        model.features(x).detach().numpy(), encoder.features(ordered), rtol=1e-3, atol=1e-4
    )
    assert "onnx " in model.origin
    before = [parameter.detach().clone() for parameter in model.body.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    torch.nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()
    changed = [not torch.equal(a, b) for a, b in zip(before, model.body.parameters(), strict=True)]
    assert sum(changed) >= 4


def test_gray_encoders_and_unknown_operators_are_refused_with_the_way_out(tmp_path):
    encoder_of(tmp_path / "gray", colours="L", mean=[0.0], std=[1.0])
    with pytest.raises(InvalidInput, match="as an encoder, instead"):
        build_model(f"onnx:{tmp_path / 'gray'}", 3, size=16)

    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.cumsum(x.mean((2, 3)), 1)

    given = Preprocessing(size=(16, 16))
    export_encoder(Exportable(Odd(), given), tmp_path / "odd")
    with pytest.raises(InvalidInput, match="operators CumSum"):
        build_model(f"onnx:{tmp_path / 'odd'}", 3, size=16)


def test_a_model_of_timm_says_which_weights_and_others_have_none_to_choose():
    with pytest.raises(InvalidInput, match="'random' to begin"):
        build_model("timm:mobilenetv3_small_050", 3)
    with pytest.raises(InvalidInput, match="leave out hub"):
        build_model("cnn-8", 3, weights="hub")
    assert usual_size("cnn-16") == 32
