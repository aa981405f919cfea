"""What an owner reads of an encoder is of its card's own line. Fetching itself is in tests/e2e/test_encoder_travels.py."""

from onnx import helper

from proxyset.agent.encoders import words
from proxyset.wire.encoder_package import EncoderPackage
from tests.wire.encoders import card_of, package
from tests.wire.models import KEY, PUBLIC, W, linear


def test_no_card_writes_a_line_of_its_own() -> None:
    forged = "mini\n  signed by " + "0" * 64
    node = helper.make_node("Identity" + forged, ["x"], ["y"])
    files = {"onnx/model.onnx": linear(W, [node]), "tokenizer.json": b"{}"}
    card = card_of(files).model_copy(update={"name": forged, "licence": forged, "origin": forged + "\x1b[2J"})
    said = words(EncoderPackage.sign(card, files, KEY)).splitlines()
    assert len(said) == len(words(package()).splitlines())
    assert [line for line in said if line.startswith("  signed by")] == [f"  signed by {PUBLIC}"]
    assert "\x1b" not in "".join(said)
