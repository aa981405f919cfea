"""A model that was fitted at home, as a folder: what the mixture changes is part of its ONNX file, which says PRIVATE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from proxyset import atomic
from proxyset.client.adapt import Fitted
from proxyset.client.predict import Predictions, predict
from proxyset.encoders.onnx_edit import metadata_of, shift_logits
from proxyset.errors import InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.wire.lineage import PRIVATE, Lineage
from proxyset.wire.model import CARD, MODEL, SIGNATURE, Model, ModelCard


@dataclass(frozen=True)
class Home:
    """A model that lies in its owner's folder.

    Attributes:
        folder: model.onnx and card.json; no signature.
        card: of the fitted model.
        fitted: what was changed.
        predictions: of the items that it was fitted to.
    """

    folder: Path
    card: ModelCard
    fitted: Fitted
    predictions: Predictions


def open_model(path: Path) -> Model:
    """A model that was fetched and is verified, or one that was fitted here. Raises what `Model.open` and `at_home` raise."""
    if path.is_dir() and not (path / SIGNATURE).exists() and ModelCard.read(path).lineage.private:
        return Model.at_home(path)
    return Model.open(path)


def adapt_model(
    model: Model,
    data: str | Path,
    out: Path,
    *,
    encoder: str | None = None,
    labels: Mapping[str, str] | None = None,
    threads: int | None = None,
    shares: Mapping[str, float] | None = None,
) -> Home:
    """Fit a model to the owner's own mixture of classes, and write it as a folder that only its owner reads.

    Args:
        model: verified.
        data, encoder, labels, threads, shares: as `predict` takes them; labels measure, and change nothing.
        out: folder for the fitted model; it must not exist, or be empty.

    Returns:
        The folder, and the predictions before and after.

    Sensitivity:
        Unbounded: the fitted model is a function of all private items.
    Unit:
        None.
    Guarantee:
        None: it stays with the owner. Its card and its file both say PRIVATE, so that no command signs, serves or publishes it, and
        whatever is trained from it says the same.
    Assumes:
        As `adapt.adapt_to_client`.

    Raises:
        InvalidInput: as `predict`; `out` is taken. InvalidData: as `predict`; the file cannot be changed.
    """
    found = predict(model, data, encoder=encoder, labels=labels, threads=threads, adapt=True, shares=shares)
    fitted, mixture = found.fitted, model.card.mixture
    assert fitted is not None and mixture is not None
    lineage = Lineage.union([model.card.lineage, PRIVATE])
    said = json.loads(metadata_of(model.onnx, Path(MODEL)).get("proxyset", "{}"))
    said |= {"lineage": lineage.model_dump(mode="json"), "mixture": None}
    onnx = shift_logits(
        model.onnx,
        Path(MODEL),
        scale=1 / mixture.temperature,
        offsets=np.asarray(fitted.offsets),
        metadata={"proxyset": json.dumps(said, ensure_ascii=False)},
    )
    card = model.card.model_copy(
        update={
            "lineage": lineage,
            "mixture": None,
            "sha256": fingerprint(onnx),
            "bytes": len(onnx),
            "origin": f"{model.card.origin}\nfitted at home to its owner's mixture of classes".strip(),
        }
    )
    try:
        with atomic.new_folder(out, atomic.SECRET) as folder:
            (folder / MODEL).write_bytes(onnx)
            (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except FileExistsError as error:
        raise InvalidInput(str(error)) from None
    return Home(out, card, fitted, found)
