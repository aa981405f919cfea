"""Predictions on real files of each kind, equal to what the arithmetic says."""

from __future__ import annotations

import csv
import io
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from proxyset.client.predict import Predictor, predict, read_labels
from proxyset.encoders import load_encoder
from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources import open_source
from proxyset.wire.model import Features, Model
from tests.wire.models import KEY, card_of, linear, model, picture_model


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Ten pictures in the folders dark and light, one of each in the wrong one."""
    for number in range(10):
        folder = tmp_path / "pictures" / ("dark" if number < 5 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        value = 20 if (number < 5) != (number in (0, 9)) else 230
        Image.new("RGB", (9, 7), (value,) * 3).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def test_pictures(pictures: Path, tmp_path: Path) -> None:
    found = predict(picture_model(), pictures)
    assert (len(found.ids), found.labelled, found.right) == (10, 10, 8)
    assert found.confidence.min() > 0.9
    found.save(tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert rows[0] == {
        "id": "dark/0.png",
        "predicted": "light",
        "confidence": rows[0]["confidence"],
        "label": "dark",
    }


def test_embeddings_equal_plain_arithmetic(tmp_path: Path) -> None:
    X = np.random.default_rng(1).normal(size=(5000, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    found = predict(model(), tmp_path / "x.npy")
    Z = X.astype(np.float64) @ np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    assert found.predicted == [("a", "b")[row] for row in Z.argmax(axis=1)]
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.confidence, P.max(axis=1), atol=1e-5)
    assert found.labelled == 0
    found.save(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == "id,predicted,confidence"


def test_texts_and_tables_go_through_the_models_encoder(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,height,label\nu,1.5,a\nv,9.5,b\nw,1.0,a\nx,8.0,c\n")
    encoder = load_encoder("tabular", source=open_source(tmp_path / "t.csv"))
    data = linear(np.random.default_rng(0).normal(size=(encoder.spec.dim, 2)))
    card = card_of(data, input=Features(encoder=encoder.spec))
    found = predict(Model.sign(card, data, KEY), tmp_path / "t.csv")
    assert found.ids == ["u", "v", "w", "x"] and found.labels == ["a", "b", "a", "c"]
    assert (found.labelled, found.unknown) == (4, {"c": 1})  # which the model cannot get right
    (tmp_path / "t.csv").write_text("id,height,label\nu,1.5,ward 1\nv,9.5,ward 2\n")
    found = predict(Model.sign(card, data, KEY), tmp_path / "t.csv")  # what is there is no class at all
    assert (found.labelled, found.labels, found.unknown) == (0, [None, None], {"ward 1": 1, "ward 2": 1})


def test_labels_of_ones_own(pictures: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\ndark/0.png,light\nlight/9.png,light\nlight/8.png,\n")
    found = predict(picture_model(), pictures, labels=read_labels(labels))
    assert (found.labelled, found.right) == (2, 1)
    for text, why in (("id,label\nx,light\n", "none of the 1"), ("id,label\ndark/0.png,grey\n", "'grey'")):
        labels.write_text(text)
        with pytest.raises(InvalidInput, match=why):
            predict(picture_model(), pictures, labels=read_labels(labels))
    for text, why in (("id\nx\n", "columns id and label"), ("id,label\nx,a\nx,b\n", "twice")):
        labels.write_text(text)
        with pytest.raises(InvalidData, match=why):
            read_labels(labels)


def test_what_cannot_be_read_has_no_prediction_and_a_reason(pictures: Path, tmp_path: Path) -> None:
    (pictures / "dark" / "bad.png").write_bytes(b"no picture")
    found = predict(picture_model(), pictures)
    row = found.ids.index("dark/bad.png")
    assert (len(found.ids), list(found.reasons), found.predicted[row]) == (11, [row], "")
    found.save(tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [bool(each["reason"]) for each in rows] == [each == row for each in range(11)]
    assert (rows[row]["predicted"], rows[row]["confidence"], rows[row]["label"]) == ("", "", "dark")


def test_ragged_embeddings_have_no_prediction(tmp_path: Path) -> None:
    pq.write_table(pa.table({"embedding": [[1.0, 2.0, 3.0], [1.0], None]}), tmp_path / "x.parquet")
    found = predict(model(), tmp_path / "x.parquet")
    assert list(found.reasons) == [1, 2] and found.predicted[0] in ("a", "b")


def test_a_model_that_does_not_fit_its_card(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((4, 3), np.float32))
    three = linear(np.ones((3, 3)))
    with pytest.raises(InvalidData, match=r"\(4, 3\).*\(4, 2\)"):
        predict(Model.sign(card_of(three), three, KEY), tmp_path / "x.npy")
    wide = linear(np.ones((5, 2)))
    with pytest.raises(InvalidData, match="cannot be run"):
        predict(Model.sign(card_of(wide), wide, KEY), tmp_path / "x.npy")
    infinite = linear(np.full((3, 2), np.inf))
    with pytest.raises(InvalidData, match="not finite"):
        predict(Model.sign(card_of(infinite), infinite, KEY), tmp_path / "x.npy")
    with pytest.raises(InvalidInput, match="is a URL"):
        predict(model(), "https://host/x.npy")
    with pytest.raises(InvalidInput, match="has no use"):
        Predictor(picture_model(), "hog")


def test_no_connection_is_opened(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    predict(picture_model(), pictures)


def test_the_client_needs_no_torch() -> None:
    code = "import sys, proxyset.client.predict, proxyset.agent.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
