"""An encoder travels whole, as data, under names that lead nowhere else; or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from proxyset.errors import ArtifactError
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire.encoder_package import EncoderCard, EncoderPackage, PackedFile, may_travel
from proxyset.wire.signing import sign
from tests.wire.encoders import card_of, package
from tests.wire.models import KEY, OTHER, PUBLIC, W, linear


def test_there_and_back(tmp_path: Path) -> None:
    made = package()
    again = EncoderPackage.from_bytes(made.to_bytes())
    assert again == made and again.key == PUBLIC and package().to_bytes() == made.to_bytes()
    again.save(tmp_path)
    found = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == made.files
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o600}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_byte_can_be_changed_cut_or_added(data: st.DataObject) -> None:
    good = package().to_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= data.draw(st.integers(1, 255))
    for changed in (bytes(bad), good[:place], good + b"\0"):
        with pytest.raises(ArtifactError):
            EncoderPackage.from_bytes(changed)


@pytest.mark.parametrize(
    "path",
    [
        "../tokenizer.json", "/etc/passwd", "onnx/../../model.onnx", "..\\model.onnx", "c:\\model.onnx", "onnx//model.onnx",
        ".ssh/config.json", "1_Pooling/../config.json", "1_Pooling/1_Pooling/config.json", "model.py", "weights.pkl",
        "pytorch_model.bin",
        "onnx/model.onnx_data", "onnx/model.onnx.data", "libops.so", "tokenizer.json\n", "onnx/", "", ".", "onnx", "config.json/",
    ],
)  # fmt: skip
def test_only_names_that_an_encoder_reads_travel(path: str) -> None:
    assert not may_travel("hf", path) and not may_travel("onnx", path)
    made = package()
    listed = [*made.card.files, PackedFile(path=path, sha256="0" * 64, bytes=1)]
    with pytest.raises(ValidationError, match="none that an encoder"):
        EncoderCard(name="x", encoder=made.card.encoder, files=listed)
    # by a forger who signs what no card of ours would say
    text = json.loads(made.card.model_dump_json())
    text["files"].append({"path": path, "sha256": fingerprint(b"x"), "bytes": 1})
    signature = sign(KEY, b"proxyset encoder\n" + canonical_json(text))
    header = canonical_json({"card": text, "key": PUBLIC, "signature": signature})
    with pytest.raises(ArtifactError, match="none that an encoder"):
        EncoderPackage.from_bytes(
            len(header).to_bytes(8, "little") + header + b"".join(made.files.values()) + b"x"
        )


def test_a_card_of_nonsense_is_none() -> None:
    made = package()
    for changes, why in (
        ({"files": [*made.card.files, made.card.files[0]]}, "one name"),
        ({"files": [file for file in made.card.files if not file.path.endswith(".onnx")] * 2}, "one"),
        ({"encoder": made.card.encoder.model_copy(update={"name": "hog"})}, "no files that travel"),
        ({"encoder": made.card.encoder.model_copy(update={"params": {}})}, "weights"),
        (
            {"files": [file.model_copy(update={"bytes": 1 << 30}) for file in made.card.files]},
            "more than the",
        ),
    ):
        fields = {"name": "x", "encoder": made.card.encoder, "files": made.card.files} | changes
        with pytest.raises(ValidationError, match=why):
            EncoderCard(**fields)


def test_a_network_that_wants_more_than_arithmetic_is_refused() -> None:
    from onnx import helper, load_model_from_string

    foreign = linear(
        W, [helper.make_node("Do", ["x", "W"], ["y"], domain="evil")], opsets=[helper.make_opsetid("evil", 1)]
    )
    outside = load_model_from_string(linear(W))
    outside.graph.initializer[0].data_location = 1
    entry = outside.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    for network, why in (
        (foreign, "'evil'"),
        (outside.SerializeToString(), "another file"),
        (b"PK\x03\x04", "ONNX"),
    ):
        files = {"onnx/model.onnx": network, "tokenizer.json": b"{}"}
        with pytest.raises(ArtifactError, match=why):
            EncoderPackage.sign(card_of(files), files, KEY)


def test_who_signed_is_named() -> None:
    made = package()
    other = EncoderPackage.sign(made.card, made.files, OTHER)
    assert EncoderPackage.from_bytes(other.to_bytes()).key != PUBLIC
    mixed = EncoderPackage(made.card, made.files, other.key, made.signature)
    with pytest.raises(ArtifactError, match="signature"):
        EncoderPackage.from_bytes(mixed.to_bytes())
