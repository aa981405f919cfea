from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proxyset.client.answer import answer
from proxyset.client.predict import predict
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.errors import ArtifactError, InvalidData
from proxyset.jobs.packing import pack
from proxyset.train.export import About, export_onnx
from proxyset.train.models import linear_model
from proxyset.train.onnx_model import OnnxModel
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset.wire.lineage import PRIVATE, PUBLIC, UNKNOWN, Draw, Lineage
from proxyset.wire.model import Model
from tests.wire.models import KEY, linear


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
    card = pack(data, blobs / "packed", name="head", seen=[proxy.card.lineage], public_inputs=True)
    assert card.lineage == Lineage(
        draws=(Draw.of(release),), vouched=True
    )  # what else went in, the file does not say
    assert card.lineage.costs[0].epsilon == 0.7
    data = (blobs / "packed" / "model.onnx").read_bytes()
    assert OnnxModel.of(data).about.lineage == card.lineage
    found = predict(Model.sign(card, data, KEY), blobs / "private.npy")
    truth = ["first" if number % 2 == 0 else "rest" for number in range(400)]
    assert np.mean([guess == label for guess, label in zip(found.predicted, truth, strict=True)]) > 0.95
    for encoder, why in ((spec.model_dump() | {"dim": 9}, "makes 9"), ({"name": "?"}, "metadata is damaged")):
        export_onnx(model, blobs / "m.onnx", About(("a", "b"), "embedding", encoder=encoder))
        with pytest.raises(InvalidData, match=why):
            pack((blobs / "m.onnx").read_bytes(), blobs, name="head")


def test_what_cannot_be_packed(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no classifier that proxyset exported"):
        pack(linear(np.eye(3, 2)), tmp_path, name="x")
    assert not list(tmp_path.iterdir())


def test_file_and_card_say_the_same(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    for number, (said, seen, public, expected) in enumerate(
        [
            (None, [], False, UNKNOWN),
            (None, [PUBLIC], False, UNKNOWN),
            (None, [], True, UNKNOWN.vouch()),
            (PUBLIC, [], False, PUBLIC),
            (PUBLIC, [PRIVATE], True, PRIVATE),
            (PRIVATE, [], True, PRIVATE),
        ]
    ):
        about = About(("a", "b"), "embedding", lineage=said or UNKNOWN)
        export_onnx(linear_model(X, 2), tmp_path / "m.onnx", about)
        out = tmp_path / str(number)
        out.mkdir()
        card = pack((tmp_path / "m.onnx").read_bytes(), out, name="x", seen=seen, public_inputs=public)
        assert card.lineage == expected
        assert OnnxModel.read(out).about.lineage == expected
        if expected.private:  # which nobody signs, and so nobody publishes
            with pytest.raises(ArtifactError, match="stays with the owner"):
                Model.sign(card, (out / "model.onnx").read_bytes(), KEY)
        else:
            Model.sign(card, (out / "model.onnx").read_bytes(), KEY)
