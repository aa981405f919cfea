"""A model fitted at home: right where it is used, and published nowhere."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from proxyset.client.home import adapt_model, open_model
from proxyset.client.predict import predict, read_shares
from proxyset.encoders.onnx_edit import metadata_of, shift_logits
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.server.model import check_model
from proxyset.wire.model import Mixture, Model, ModelCard
from tests.wire.models import KEY, PUBLIC, card_of, linear, model


def skewed(tmp_path: Path, temperature: float = 2.0) -> tuple[Model, Path, Path]:
    """A signed model of two classes in equal shares, 300 items of which nine in ten are of class "a", and their labels."""
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.1).astype(int)
    X = (np.array([[1.0, 0, 0], [-1.0, 0, 0]])[y] + rng.standard_normal((300, 3))).astype(np.float32)
    data = linear(temperature * np.array([[1.0, -1.0], [0, 0], [0, 0]]))
    mixture = Mixture(shares=[0.5, 0.5], temperature=temperature, biases=[0.0, 0.0])
    np.save(tmp_path / "x.npy", X)
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\n" + "".join(f"{row},{'ab'[of]}\n" for row, of in enumerate(y)))
    return Model.sign(card_of(data, mixture=mixture), data, KEY), tmp_path / "x.npy", labels


def test_before_and_after(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    found, data, labels = skewed(tmp_path)
    (tmp_path / "m.model").write_bytes(found.to_bytes())
    asked = (tmp_path / "m.model", "--data", data, "--labels", labels, "--out", tmp_path / "p", "--adapt")
    assert command("client", "predict", *asked)[0] == 0
    told = command("client", "predict", *asked, "--json")[1]
    assert told["prior"]["a"] > 0.75 and told["accuracy_after"] > told["accuracy_before"] + 0.02
    assert told["accuracy"] == told["accuracy_after"] and told["changed"] > 0
    plain = predict(found, data)
    assert plain.fitted is None and plain.before == []
    # stated shares: all of the correction
    (tmp_path / "shares.csv").write_text("label,share\na,9\nb,1\n")
    stated = predict(found, data, shares=read_shares(tmp_path / "shares.csv"))
    assert stated.fitted is not None and stated.fitted.prior.tolist() == pytest.approx([0.9, 0.1])


def test_the_fitted_model_is_the_prediction(tmp_path: Path) -> None:
    found, data, _ = skewed(tmp_path)
    home = adapt_model(found, data, tmp_path / "home")
    again = predict(open_model(tmp_path / "home"), data)
    assert again.predicted == home.predictions.predicted != home.predictions.before
    np.testing.assert_allclose(again.confidence, home.predictions.confidence, atol=1e-5)
    with pytest.raises(InvalidInput, match="does not say what classes"):  # fitted once is enough
        adapt_model(open_model(tmp_path / "home"), data, tmp_path / "twice")
    with pytest.raises(InvalidInput, match="home"):
        adapt_model(found, data, tmp_path / "home")


def test_nothing_publishes_it(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """Signing, serving, publishing, fetching and packing: each refuses what has seen private data without a guarantee."""
    found, data, _ = skewed(tmp_path)
    (tmp_path / "m.model").write_bytes(found.to_bytes())
    assert (
        command("client", "adapt", tmp_path / "m.model", "--data", data, "--out", tmp_path / "home")[0] == 0
    )
    home = open_model(tmp_path / "home")
    assert home.card.lineage.private
    assert json.loads(metadata_of(home.onnx, Path("m"))["proxyset"])["lineage"]["private"]
    with pytest.raises(ArtifactError, match="private data without a guarantee"):
        Model.sign(home.card, home.onnx, KEY)
    command("model", "key", tmp_path / "key")
    status, _, told = command("model", "sign", tmp_path / "home", "--key", tmp_path / "key")
    assert status == 1 and "stays with the owner" in told
    with pytest.raises(ArtifactError, match="not a signed model"):
        Model.open(tmp_path / "home")
    for forged in (Model(home.card, home.onnx, PUBLIC, "0" * 128), home):
        with pytest.raises(ArtifactError):
            check_model(io.BytesIO(forged.to_bytes()))
    with pytest.raises(ArtifactError, match="fitted at home"):
        Model.at_home(_folder_of(found, tmp_path / "signed"))


def _folder_of(found: Model, folder: Path) -> Path:
    folder.mkdir()
    found.save(folder)
    return folder


def test_a_fitted_folder_that_was_changed(tmp_path: Path) -> None:
    found, data, _ = skewed(tmp_path)
    adapt_model(found, data, tmp_path / "home")
    (tmp_path / "home" / "model.onnx").write_bytes(found.onnx)
    with pytest.raises(ArtifactError, match="cut off or added to"):
        open_model(tmp_path / "home")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,share\na,1\n", "columns label and share"),
        ("label,share\na,1\na,2\n", "'a' twice"),
        ("label,share\na,much\n", "cannot read the class shares"),
        ("label,share\na,\n", "cannot read the class shares"),
    ],
)
def test_shares_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "shares.csv").write_text(text)
    with pytest.raises(InvalidData, match=message):
        read_shares(tmp_path / "shares.csv")


def test_shares_of_other_classes(tmp_path: Path) -> None:
    found, data, _ = skewed(tmp_path)
    with pytest.raises(InvalidInput, match="1 shares are of no class of this model, such as 'c'"):
        predict(found, data, shares={"a": 1, "c": 2})
    with pytest.raises(InvalidInput, match="not negative"):
        predict(found, data, shares={"a": 1, "b": -2})
    with pytest.raises(InvalidInput, match="does not say what classes"):
        predict(model(), data, adapt=True)


def test_cards_whose_mixture_does_not_fit() -> None:
    data = linear(np.eye(3)[:, :2])
    with pytest.raises(ValueError, match="3 class shares for 2 classes"):
        card_of(data, mixture=Mixture(shares=[0.5, 0.25, 0.25], biases=[0, 0, 0]))
    with pytest.raises(ValueError, match="add up to 1"):
        Mixture(shares=[0.5, 0.6], biases=[0, 0])
    with pytest.raises(ValueError, match="as many biases"):
        Mixture(shares=[0.5, 0.5], biases=[0])
    assert ModelCard.model_validate_json(card_of(data).model_dump_json()).mixture is None


def test_logits_are_shifted_and_nothing_else() -> None:
    import onnx
    import onnxruntime

    rng = np.random.default_rng(0)
    W, offsets, slopes = rng.standard_normal((3, 2)), np.array([1.0, -2.0]), rng.standard_normal((3, 2))
    changed = shift_logits(
        linear(W), Path("m"), scale=0.5, offsets=offsets, slopes=slopes, metadata={"proxyset": "é"}
    )
    onnx.checker.check_model(onnx.load_from_string(changed))
    X = rng.standard_normal((5, 3)).astype(np.float32)
    found = onnxruntime.InferenceSession(changed).run(None, {"x": X})[0]
    np.testing.assert_allclose(found, X @ W / 2 + X @ slopes + offsets, rtol=1e-5)
    assert metadata_of(changed, Path("m")) == {"proxyset": "é"}
    with pytest.raises(InvalidData, match="already"):
        shift_logits(changed, Path("m"), scale=1, offsets=offsets, metadata={})
    for cut in range(0, len(changed), 7):
        try:
            shift_logits(changed[:cut], Path("m"), scale=1, offsets=offsets, metadata={})
        except InvalidData:
            continue
        pytest.fail(f"a model cut off after {cut} bytes was taken")
