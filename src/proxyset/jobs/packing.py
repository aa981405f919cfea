"""From an exported classifier to a model folder with a card, ready for `proxyset model sign`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.errors import InvalidData, first_problem
from proxyset.fingerprint import fingerprint
from proxyset.train.export import with_lineage
from proxyset.train.onnx_model import OnnxModel
from proxyset.wire.lineage import Lineage
from proxyset.wire.model import CARD, MODEL, Features, Mixture, ModelCard, Pictures, check_onnx


def pack(
    data: bytes,
    folder: Path,
    *,
    name: str,
    seen: Iterable[Lineage] = (),
    public_inputs: bool = False,
    licence: str = "",
    origin: str = "",
    multiply_adds: int | None = None,
) -> ModelCard:
    """Write model.onnx and card.json into an existing folder. Both say the same of what the model has seen.

    Args:
        data: an ONNX file that `train.export` wrote.
        name, licence, origin, multiply_adds: as `ModelCard` has them.
        seen: what went in beside that which the file says itself.
        public_inputs: the caller states that what says nothing of itself was public.

    Raises:
        InvalidData: no such file, or its metadata is damaged.
        ArtifactError: no client would accept it, or what it says it has seen is damaged.
        MissingExtra: a library is not installed.
    """
    check_onnx(data)
    model = OnnxModel.of(data)
    lineage = Lineage.union([model.about.lineage, *seen])
    lineage = lineage.vouch() if public_inputs else lineage
    data = with_lineage(data, model.about, lineage)
    card = ModelCard(
        name=name,
        classes=list(model.about.classes),
        input=_input(model),
        lineage=lineage,
        sha256=fingerprint(data),
        bytes=len(data),
        licence=licence,
        origin=origin,
        multiply_adds=multiply_adds,
        mixture=_mixture(model),
    )
    (folder / MODEL).write_bytes(data)
    (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return card


def _mixture(model: OnnxModel) -> Mixture | None:
    said = model.about.mixture
    try:
        return None if said is None else Mixture.model_validate(said)
    except ValidationError as error:
        raise InvalidData(f"the model's metadata is damaged: mixture: {error.errors()[0]['msg']}") from None


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
        raise InvalidData(f"the model's metadata is damaged: {first_problem(error)}") from None
    if spec.dim != model.shape[0]:
        raise InvalidData(
            f"the model takes {model.shape[0]} features; its encoder {spec.name} makes {spec.dim}"
        )
    return Features(encoder=spec)
