"""A small encoder's package, as bytes alone: its network is a real ONNX file, its configuration is not read."""

from __future__ import annotations

from collections.abc import Mapping

from proxyset.encoders.encoder import EncoderSpec
from proxyset.fingerprint import fingerprint
from proxyset.wire.encoder_package import EncoderCard, EncoderPackage, PackedFile
from tests.wire.models import KEY, W, linear


def card_of(files: Mapping[str, bytes]) -> EncoderCard:
    network = next(data for path, data in files.items() if path.endswith(".onnx"))
    listed = [
        PackedFile(path=path, sha256=fingerprint(data), bytes=len(data)) for path, data in files.items()
    ]
    spec = EncoderSpec(name="hf", dim=2, params={"weights_sha256": fingerprint(network)})
    return EncoderCard(name="test", encoder=spec, files=listed, licence="CC0")


def package() -> EncoderPackage:
    files = {"onnx/model.onnx": linear(W), "tokenizer.json": b"{}", "1_Pooling/config.json": b"{}"}
    return EncoderPackage.sign(card_of(files), files, KEY)
