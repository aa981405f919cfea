"""From an exported classifier to a model folder with a card, ready for `proxyset model sign`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from proxyset.cloud.proxy_set import Card
from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.errors import InvalidData
from proxyset.fingerprint import fingerprint
from proxyset.train.onnx_model import OnnxModel
from proxyset.wire.model import CARD, MODEL, Exposure, Features, ModelCard, Pictures, check_onnx


def pack(
    data: bytes,
    folder: Path,
    *,
    name: str,
    exposure: Exposure,
    licence: str = "",
    origin: str = "",
    multiply_adds: int | None = None,
) -> ModelCard:
    """Write model.onnx and card.json into an existing folder.

    Args:
        data: an ONNX file that `train.export` wrote.
        name, exposure, licence, origin, multiply_adds: as `ModelCard` has them.

    Raises:
        InvalidData: no such file, or its metadata is damaged.
        ArtifactError: no client would accept it.
    """
    check_onnx(data)
    model = OnnxModel.of(data)
    card = ModelCard(
        name=name,
        classes=list(model.about.classes),
        input=_input(model),
        exposure=exposure,
        sha256=fingerprint(data),
        bytes=len(data),
        licence=licence,
        origin=origin,
        multiply_adds=multiply_adds,
    )
    (folder / MODEL).write_bytes(data)
    (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return card


def exposure_of(proxy: Card) -> Exposure:
    """What went into a model that was trained on a proxy set with public labels: the releases that chose it.

    ε and δ are summed over releases, which bounds the loss of a person who is behind all of them.
    """
    return combined(
        Exposure(kind="answers", epsilon=statement.epsilon, delta=statement.delta)
        for statement in proxy.privacy
    )


def combined(parts: Iterable[Exposure]) -> Exposure:
    """What went into something made of several: private if any is, else the sum of all answers."""
    found = list(parts)
    if any(part.kind == "private" for part in found):
        return Exposure(kind="private")
    if answers := [part for part in found if part.kind == "answers"]:
        epsilon, delta = (
            sum(getattr(part, name) or 0.0 for part in answers) for name in ("epsilon", "delta")
        )
        return Exposure(kind="answers", epsilon=epsilon, delta=delta)
    return Exposure(kind="public")


def _input(model: OnnxModel) -> Pictures | Features:
    about = model.about
    try:
        if about.input == "image":
            channels = model.shape[0]
            plain = {"scale": 1 / 255, "mean": [0.0] * channels, "std": [1.0] * channels}
            return Pictures(preprocessing=Preprocessing.model_validate((about.framing or {}) | plain))
        ready = EncoderSpec(name="embeddings", dim=model.shape[0])
        spec = EncoderSpec.model_validate(about.encoder) if about.encoder else ready
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidData(
            f"the model's metadata is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None
    if spec.dim != model.shape[0]:
        raise InvalidData(
            f"the model takes {model.shape[0]} features; its encoder {spec.name} makes {spec.dim}"
        )
    return Features(encoder=spec)
