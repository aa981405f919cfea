from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from proxyset.errors import ArtifactError, TransportError
from proxyset.wire.model import Model, check_onnx
from proxyset.wire.signing import sign
from tests.wire.models import KEY, OTHER, PUBLIC, W, card_of, linear, model, picture_model, unsigned


def test_there_and_back(tmp_path: Path) -> None:
    for made in (model(), picture_model()):
        data = made.to_bytes()
        assert Model.from_bytes(data) == made
        assert made.key == PUBLIC
        (tmp_path / "one.model").write_bytes(data)
        folder = tmp_path / made.card.sha256
        folder.mkdir()
        made.save(folder)
        assert Model.open(tmp_path / "one.model") == Model.open(folder) == made
    assert model().to_bytes() == model().to_bytes()


def test_not_signed_or_not_there(tmp_path: Path) -> None:
    folder = unsigned(tmp_path / "student", linear(W), card_of(linear(W)))
    with pytest.raises(ArtifactError, match="proxyset model sign"):
        Model.open(folder)
    with pytest.raises(TransportError, match="cannot read the model"):
        Model.open(tmp_path / "none")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    good = model().to_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ArtifactError):
        Model.from_bytes(bytes(bad))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5000))
def test_nothing_can_be_cut_off(size: int) -> None:
    good = model().to_bytes()
    with pytest.raises(ArtifactError, match=r"cut off|not a model"):
        Model.from_bytes(good[: min(size, len(good) - 1)])
    with pytest.raises(ArtifactError, match="added to"):
        Model.from_bytes(good + b"\0")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_other_bytes(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        Model.from_bytes(data)


def header(fields: dict, onnx: bytes) -> bytes:  # type: ignore[type-arg]
    text = json.dumps(fields).encode()
    return len(text).to_bytes(8, "little") + text + onnx


def test_what_a_forger_may_try() -> None:
    good = model()
    fields = {"card": good.card.model_dump(mode="json"), "key": good.key, "signature": good.signature}
    assert Model.from_bytes(header(fields, good.onnx)) == good
    # another card under the same signature
    changed = fields | {"card": fields["card"] | {"classes": ["b", "a"]}}
    with pytest.raises(ArtifactError, match="signature"):
        Model.from_bytes(header(changed, good.onnx))
    # the forger's own key: valid, and named
    assert model(OTHER).key != PUBLIC
    with pytest.raises(ArtifactError, match="signature"):
        Model.from_bytes(header(fields | {"key": model(OTHER).key}, good.onnx))
    with pytest.raises(ArtifactError, match=r"proxyset\.model/3.*equal versions"):
        newer = fields | {"card": fields["card"] | {"schema_version": "proxyset.model/9"}}
        Model.from_bytes(header(newer, good.onnx))
    with pytest.raises(ArtifactError, match="classes"):
        Model.from_bytes(header(fields | {"card": fields["card"] | {"classes": ["a"]}}, good.onnx))


def test_a_signature_does_not_make_a_model_harmless() -> None:
    """Each of these is refused when it is signed, and when it comes signed by somebody else's program."""
    node = helper.make_node
    matmul = node("MatMul", ["x", "W"], ["y"])
    inner = helper.make_graph(
        [matmul], "inner", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    )
    yes = node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
    own = helper.make_function(
        "own", "F", ["x"], ["y"], [node("Identity", ["x"], ["y"])], [helper.make_opsetid("", 17)]
    )
    foreign = [helper.make_opsetid("com.microsoft", 1)]
    bad = {
        "com.microsoft": linear(
            W, [node("FusedMatMul", ["x", "W"], ["y"], domain="com.microsoft")], opsets=foreign
        ),
        "operators of its own": linear(W, functions=[own]),
        "operator If": linear(W, [yes, node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]),
        "not an ONNX": b"MZ" + bytes(200),
        "cut off": linear(W)[:-5],
    }
    for why, data in bad.items():
        with pytest.raises(ArtifactError, match=why):
            Model.sign(card_of(data), data, KEY)
        genuine = model()
        card = card_of(data)
        forged = replace(genuine, card=card, onnx=data, signature=sign(KEY, _message(card)))
        with pytest.raises(ArtifactError, match=why):
            Model.from_bytes(forged.to_bytes())


def _message(card):  # type: ignore[no-untyped-def]
    from proxyset.fingerprint import canonical_json

    return b"proxyset model\n" + canonical_json(card.model_dump(mode="json"))


def test_weights_in_another_file() -> None:
    tensor = helper.make_tensor("W", TensorProto.FLOAT, [3, 2], [0.0] * 6)
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret"
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "W"], ["y"])], "g", [], [], [tensor])
    with pytest.raises(ArtifactError, match="another file"):
        check_onnx(helper.make_model(graph).SerializeToString())
