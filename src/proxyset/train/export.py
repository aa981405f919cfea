"""From a trained model to one ONNX file that says itself how to use it."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from proxyset.cloud.store import Place, replacing
from proxyset.encoders.export import trace
from proxyset.encoders.images import Framing
from proxyset.errors import InvalidData, InvalidInput, needing
from proxyset.train.models import Classifier
from proxyset.wire.lineage import UNKNOWN, Lineage

AGREEMENT = 1e-4  # largest difference of a logit between torch and ONNX Runtime, of the largest logit or of 1
SCHEMA = "proxyset.classifier/1"


@dataclass(frozen=True)
class About:
    """What an exported file says of itself, as JSON in its metadata under "proxyset".

    Attributes:
        classes: in the order of the logits.
        input: "image": float32 (n, 3, S, S), RGB, in [0, 1], framed as `framing` says; or "embedding": float32 (n, d).
        framing: of images (see `encoders.images.Framing`); None for embeddings.
        encoder: what embeddings come from (see `encoders.EncoderSpec`); None for images.
        lineage: what the weights have seen of private data; unknown in a file that does not say.
        mixture: of the training classes, as `wire.model.Mixture` dumps it; None in a file that does not say.
        schema: of this record.
    """

    classes: tuple[str, ...]
    input: str
    framing: dict[str, Any] | None = None
    encoder: dict[str, Any] | None = None
    lineage: Lineage = UNKNOWN
    mixture: dict[str, Any] | None = None
    schema: str = SCHEMA

    def to_json(self) -> str:
        return json.dumps(vars(self) | {"lineage": self.lineage.model_dump(mode="json")}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> About:
        """Raises ValueError, TypeError or KeyError when it is no such record, ArtifactError when its lineage is damaged."""
        fields = json.loads(text)
        said = fields.pop("lineage", None)
        lineage = UNKNOWN if said is None else Lineage.parse(json.dumps(said), "an exported model")
        return cls(**(fields | {"classes": tuple(fields["classes"]), "lineage": lineage}))


def about_images(
    classes: Sequence[str],
    framing: Framing,
    lineage: Lineage = UNKNOWN,
    mixture: dict[str, Any] | None = None,
) -> About:
    """The record of an image classifier."""
    return About(tuple(classes), "image", framing.model_dump(mode="json"), None, lineage, mixture)


def with_lineage(data: bytes, about: About, lineage: Lineage) -> bytes:
    """An exported file, its record `about` saying `lineage`; the same bytes where it says so already.

    Raises:
        MissingExtra: onnx is not installed.
    """
    if about.lineage == lineage:
        return data
    with needing("train", "what a model has seen, written into its file,"):
        import onnx
    model = onnx.load_from_string(data)
    for entry in model.metadata_props:
        if entry.key == "proxyset":
            entry.value = dataclasses.replace(about, lineage=lineage).to_json()
    return bytes(model.SerializeToString())


def export_onnx(model: Classifier, path: Place, about: About) -> float:
    """Write `model` as ONNX: opset 17, one input "input" of any number of items, one output "logits" (n, K).

    ONNX Runtime's logits are compared with torch's before the file appears. The model is left as it was.

    Returns:
        The largest difference that was seen.

    Raises:
        InvalidInput: the classes are not as many as the logits.
        InvalidData: ONNX Runtime computes something else.
        MissingExtra: onnx or onnxruntime is not installed.
    """
    with needing("train", "exports to ONNX"):
        import onnx
        import onnxruntime
    module = copy.deepcopy(model).cpu().eval()
    rng = np.random.default_rng(0)
    images = about.input == "image"
    x = (rng.random if images else rng.standard_normal)((5, *model.shape), dtype=np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(x)).numpy()
    if expected.shape[1] != len(about.classes):
        raise InvalidInput(
            f"the model has {expected.shape[1]} outputs; {len(about.classes)} classes are named"
        )
    with replacing(path) as temporary:
        trace(module, torch.from_numpy(x[:2]), temporary, "input", "logits")
        written = onnx.load(temporary)
        onnx.helper.set_model_props(written, {"proxyset": about.to_json()})
        temporary.write_bytes(written.SerializeToString())
        session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
        actual = session.run(["logits"], {"input": x})[0]
        worst = float(np.abs(actual - expected).max() / max(1.0, float(np.abs(expected).max())))
        if not worst <= AGREEMENT:
            raise InvalidData(
                f"the exported model differs from the original by {worst:.2g}, more than {AGREEMENT:g}: an ONNX trace "
                "cannot hold a model that branches on its input"
            )
    return worst
