from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proxyset.client.answer import answer
from proxyset.client.predict import predict
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.errors import InvalidData
from proxyset.jobs.packing import combined, exposure_of, pack
from proxyset.train.export import About, export_onnx
from proxyset.train.models import linear_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset.wire.model import Exposure, Model
from tests.wire.models import KEY, linear

PUBLIC = Exposure(kind="public")


def test_what_went_in_adds_up() -> None:
    one = Exposure(kind="answers", epsilon=0.5, delta=1e-5)
    both = combined([one, PUBLIC, one])
    assert (both.epsilon, both.delta) == (1.0, 2e-5)
    assert combined([one, Exposure(kind="private")]) == Exposure(kind="private")
    assert combined([]) == combined([PUBLIC, PUBLIC]) == PUBLIC


def test_the_way_of_a_head_on_embeddings(blobs: Path) -> None:
    """Index, release, proxy set, training, card, signature, prediction: the releases' ε is on the card."""
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=6)
    release = answer(index.probe(), blobs / "private.npy", epsilon=0.7, ledger=blobs / "ledger")
    proxy = select(index, release, blobs / "proxy", budget=200)
    X = np.stack(list(proxy.items())).astype(np.float32)
    y = (np.array(proxy.selection().column("id").to_pylist(), int) % 6 == 0).astype(np.int64)
    model = linear_model(X, 2)
    supervised(model, X, y, Settings(steps=60, batch_size=32, ema=0.0, augment="none", lr=0.1))
    spec = index.manifest.encoder
    about = About(("rest", "first"), "embedding", encoder=spec.model_dump(mode="json"))
    export_onnx(model.eval(), blobs / "m.onnx", about)
    data = (blobs / "m.onnx").read_bytes()
    (blobs / "packed").mkdir()
    card = pack(data, blobs / "packed", name="head", exposure=exposure_of(proxy.card))
    assert card.exposure.kind == "answers" and card.exposure.epsilon == pytest.approx(0.7, rel=0.01)
    found = predict(Model.sign(card, data, KEY), blobs / "private.npy")
    truth = ["first" if number % 2 == 0 else "rest" for number in range(400)]
    assert np.mean([guess == label for guess, label in zip(found.predicted, truth, strict=True)]) > 0.95
    for encoder, why in ((spec.model_dump() | {"dim": 9}, "makes 9"), ({"name": "?"}, "metadata is damaged")):
        export_onnx(model, blobs / "m.onnx", About(("a", "b"), "embedding", encoder=encoder))
        with pytest.raises(InvalidData, match=why):
            pack((blobs / "m.onnx").read_bytes(), blobs, name="head", exposure=PUBLIC)


def test_what_cannot_be_packed(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no classifier that proxyset exported"):
        pack(linear(np.eye(3, 2)), tmp_path, name="x", exposure=PUBLIC)
    assert not list(tmp_path.iterdir())
