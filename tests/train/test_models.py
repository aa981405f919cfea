import numpy as np
import pytest
import torch

from proxyset.errors import InvalidInput, MissingExtra
from proxyset.train.models import build_model, linear_model
from proxyset.train.normalisation import lone_values_normalised


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize("size", [8, 28, 33])
def test_the_cnn_family(width, size):
    model = build_model(f"cnn-{width}", 7, size=size).eval()
    x = torch.rand(3, 3, size, size)
    assert model(x).shape == (3, 7)
    assert model.features(x).shape == (3, 4 * width)
    assert torch.equal(model.head(model.features(x)), model(x))


def test_a_linear_head_standardises_and_starts_even():
    X = np.random.default_rng(0).normal(5, 3, (200, 6)).astype(np.float32)
    X[:, 2] = 1.0
    model = linear_model(X, 3)
    features = model.features(torch.from_numpy(X)).numpy()
    assert np.allclose(features.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(np.delete(features.std(axis=0), 2), 1, atol=1e-4)
    assert np.isfinite(features).all()
    assert not model(torch.from_numpy(X)).any()


@pytest.mark.parametrize("name", ["resnet", "cnn", "cnn-0", "cnn--4", "cnn-16x", ""])
def test_unknown_names(name):
    with pytest.raises(InvalidInput, match="unknown model"):
        build_model(name, 3)


def test_one_class_and_tiny_images():
    with pytest.raises(InvalidInput, match="at least two classes"):
        build_model("cnn-8", 1)
    with pytest.raises(InvalidInput, match="at least two classes"):
        linear_model(np.zeros((3, 2), np.float32), 1)
    with pytest.raises(InvalidInput, match="at least 8 pixels"):
        build_model("cnn-8", 2, size=7)


def test_timm_is_an_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(MissingExtra, match="timm"):
        build_model("timm:resnet18", 2, weights="random")


def test_a_model_of_timm():
    pytest.importorskip("timm")
    model = build_model("timm:mobilenetv3_small_050", 4, size=64, weights="random").eval()
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 4)
    with pytest.raises(InvalidInput, match="cannot be made"):
        build_model("timm:no-such-model", 4, weights="random")


def test_a_lone_value_is_normalised_by_what_earlier_batches_were():
    """And every other batch as torch does it, to the bit."""
    torch.manual_seed(0)
    ours, plain = build_model("cnn-4", 2, size=8).train(), build_model("cnn-4", 2, size=8).train()
    plain.load_state_dict(ours.state_dict())
    x = torch.rand(4, 3, 8, 8)
    with lone_values_normalised(ours):
        assert torch.equal(ours(x), plain(x))
        known = ours.body[13].running_mean.clone()
        assert torch.isfinite(ours(x[:1])).all() and torch.equal(ours.body[13].running_mean, known)
        assert ours.body[13].training
    with pytest.raises(ValueError, match="more than 1 value"):
        ours(x[:1])
