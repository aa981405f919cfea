"""Predictions on private data, by a model that was fetched: ONNX Runtime alone, nothing leaves the machine."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset import atomic
from proxyset.client.adapt import Fitted, adapt_to_client, state_shares
from proxyset.client.labels import class_numbers
from proxyset.client.private_data import wanted_of
from proxyset.encoders import encoder_for
from proxyset.encoders.images import pixels
from proxyset.encoders.onnx_session import open_session
from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources.private import open_private_files
from proxyset.sources.private.records import Wanted
from proxyset.sources.remote import is_url
from proxyset.sources.source import Items
from proxyset.wire.model import MODEL, Features, Model

_CHUNK_PIXELS = 32 * 224 * 224  # in the model at once
_CHUNK_ROWS = 4096
Logits = NDArray[np.float32]


class Predictor:
    """A verified model, ready to run.

    Args:
        model: as `Model.open` returns it.
        encoder: for a model of features, the owner's own copy of the encoder where it needs weights: "onnx:FOLDER".
        threads: of ONNX Runtime; None takes all cores.

    Raises:
        InvalidData: ONNX Runtime cannot load it, or it is not one input and one output of K logits.
        EncoderMismatch: the encoder at hand is not the model's. MissingExtra: onnxruntime is not installed.
    """

    def __init__(self, model: Model, encoder: str | None = None, threads: int | None = None) -> None:
        self.classes = tuple(model.card.classes)
        self._session, self._errors = open_session(model.onnx, Path(MODEL), threads)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise InvalidData(
                f"the model has {len(inputs)} inputs and {len(outputs)} outputs; it must have one of each"
            )
        self._input = inputs[0].name
        given = model.card.input
        self._chunk = _CHUNK_ROWS
        if isinstance(given, Features):
            phi = encoder_for(given.encoder, local=encoder)
            self.wanted = wanted_of(phi, "label")
            self._prepare: Callable[[Any], tuple[NDArray[Any], dict[int, str]]] = lambda items: (
                (encoded := phi.encode(items)).embeddings,
                encoded.problems,
            )
        else:
            if encoder is not None:
                raise InvalidInput(
                    f"this model takes pictures as they are: the encoder {encoder!r} has no use"
                )
            framing = given.preprocessing
            self.wanted = Wanted("image", columns=("label",))
            self._chunk = max(1, min(_CHUNK_PIXELS // (framing.size[0] * framing.size[1]), _CHUNK_ROWS))

            def prepare(items: Any) -> tuple[NDArray[Any], dict[int, str]]:
                images, problems = pixels(items, framing)
                return framing.prepare(images), problems

            self._prepare = prepare

    def logits(self, items: Items) -> tuple[Logits, dict[int, str]]:
        """Scores of the items of one batch.

        Returns:
            (n, K) float32, zero for what could not be prepared; and row → why not.

        Raises:
            InvalidData: the model fails, or gives something else than finite (n, K) numbers.
        """
        parts: list[Logits] = [np.zeros((0, len(self.classes)), np.float32)]
        problems: dict[int, str] = {}
        for start in range(0, len(items), self._chunk):
            X, wrong = self._prepare(items[start : start + self._chunk])
            scores = self._run(X)
            scores[list(wrong)] = 0
            parts.append(scores)
            problems |= {start + row: problem for row, problem in wrong.items()}
        return np.concatenate(parts), problems

    def _run(self, X: NDArray[Any]) -> Logits:
        try:
            output = self._session.run(None, {self._input: X})[0]
        except self._errors as error:
            raise InvalidData(f"the model cannot be run on this data: {str(error)[:500]}") from None
        shape = (len(X), len(self.classes))
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or output.shape != shape:
            found = getattr(output, "shape", type(output).__name__)
            raise InvalidData(f"the model's output is {found}, not numbers of shape {shape} as its card says")
        if not np.isfinite(output).all():
            raise InvalidData("the model's output is not finite for some items: it is damaged or overflows")
        return np.array(output, np.float32)


@dataclass(frozen=True)
class Predictions:
    """What a model says of private items. It is private, too: keep it where the items are.

    Attributes:
        ids: one an item, in the order of the data.
        predicted: class of the largest score; the first of equal ones; "" for an item that cannot be read.
        confidence: (n,) its softmax probability; NaN for such an item.
        labels: the known class of each item, None where there is none.
        reasons: row → why the item cannot be read.
        unknown: known classes that the model has not, and how many items are of them: none of these can be right.
        fitted: how the model was fitted to these items; None where it was not.
        before: what was predicted without that; empty where it was not fitted.
        classes: of the model.
    """

    ids: list[str]
    predicted: list[str]
    confidence: NDArray[np.float64]
    labels: list[str | None]
    reasons: dict[int, str]
    unknown: dict[str, int] = field(default_factory=dict)
    fitted: Fitted | None = None
    before: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()

    @property
    def changed(self) -> int:
        """How many predictions are others than before the model was fitted."""
        return sum(one != other for one, other in zip(self.before, self.predicted, strict=False))

    @property
    def labelled(self) -> int:
        """How many items have a known class."""
        return sum(label is not None for label in self.labels)

    @property
    def right(self) -> int:
        """How many of them were predicted."""
        return sum(label == guess for label, guess in zip(self.labels, self.predicted, strict=True))

    @property
    def right_before(self) -> int:
        """How many of them were predicted before the model was fitted."""
        return sum(label == guess for label, guess in zip(self.labels, self.before, strict=True))

    def save(self, path: Path) -> None:
        """Write CSV with the columns id, predicted, confidence and, where there are any, label and reason (of no prediction)."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        known, unread = self.labelled > 0, bool(self.reasons)
        writer.writerow(["id", "predicted", "confidence", *["label"] * known, *["reason"] * unread])
        for row, (item, guess, sure, label) in enumerate(
            zip(self.ids, self.predicted, self.confidence, self.labels, strict=True)
        ):
            reason = self.reasons.get(row, "")
            sureness = "" if row in self.reasons else f"{sure:.6f}"
            writer.writerow([item, guess, sureness, *[label or ""] * known, *[reason] * unread])
        atomic.write_bytes(path, text.getvalue().encode(), atomic.SECRET)


def predict(
    model: Model,
    data: str | Path,
    *,
    encoder: str | None = None,
    labels: Mapping[str, str] | None = None,
    threads: int | None = None,
    adapt: bool = False,
    shares: Mapping[str, float] | None = None,
) -> Predictions:
    """Run a model over private data.

    Args:
        model: a verified model.
        data: path of the private data, of the kind that the card's input takes.
        encoder, threads: as `Predictor` takes them.
        labels: id → class, to measure with; None takes the data's own (the folder of an image, the column `label`). Where none
            of those is a class of the model, they are something else, and there are no labels; else an item of another class
            is one that the model got wrong.
        adapt: fit the model to the mixture of classes of these very items first (`client.adapt`).
        shares: class → share, where the owner knows that mixture; a class that is not named has none.

    Returns:
        One prediction an item; an item that cannot be read has none, and a reason.

    Sensitivity:
        Unbounded: a prediction is a function of a private item.
    Unit:
        None.
    Guarantee:
        None for the predictions and their accuracy, which stay with the owner. This function opens no connection.
    Assumes:
        ONNX Runtime does what the ONNX standard says with a model that has been checked.

    Raises:
        InvalidData: there are no such data, no items in them, or the model does not fit.
        InvalidInput: a label or a share is of no class of the model, a label is of no item, or the model does not say what its
            training classes were.
    """
    if is_url(data):
        raise InvalidInput(f"{data} is a URL; private data is read from its owner's machine: give a path")
    predictor = Predictor(model, encoder, threads)
    classes = set(predictor.classes)
    if labels and (unknown := sorted(set(labels.values()) - classes)):
        raise InvalidInput(
            f"{len(unknown)} labels are no class of this model, such as {unknown[0]!r}; it knows {', '.join(sorted(classes)[:20])}"
        )
    ids: list[str] = []
    own: list[str] = []
    scores: list[Logits] = [np.zeros((0, len(classes)), np.float32)]
    reasons: dict[int, str] = {}
    files = open_private_files(data, predictor.wanted)
    if why := files.unfit():
        raise InvalidData(f"{data} does not fit the model: {why}")
    for batch in files.batches():
        found, problems = predictor.logits(batch.items)
        reasons |= {len(ids) + row: problem for row, problem in (problems | batch.unread).items()}
        ids += batch.ids
        own += [label or "" for label in batch.columns["label"]]
        scores.append(found)
    if not ids:
        raise InvalidData(f"{data} has no {predictor.wanted.kind} items")
    if labels is not None and not set(labels).intersection(ids):
        raise InvalidInput(f"none of the {len(labels)} labels is of an item of {data}, such as {ids[0]!r}")
    logits = np.concatenate(scores).astype(np.float64)
    fitted, before = None, list[str]()
    if adapt or shares is not None:
        before = _named(logits, predictor.classes, reasons)
        fitted = fit_mixture(model, np.delete(logits, list(reasons), axis=0), shares)
        assert model.card.mixture is not None
        logits = fitted.apply(logits / model.card.mixture.temperature)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = weights.max(axis=1) / weights.sum(axis=1)
    confidence[list(reasons)] = np.nan
    predicted = _named(logits, predictor.classes, reasons)
    if labels is not None:
        given = [labels.get(item) for item in ids]
        return Predictions(
            ids,
            predicted,
            confidence,
            given,
            reasons,
            fitted=fitted,
            before=before,
            classes=predictor.classes,
        )
    numbers = class_numbers(own, predictor.classes)
    known = [
        predictor.classes[number] if number >= 0 else label or None
        for number, label in zip(numbers, own, strict=True)
    ]
    others = Counter(label for number, label in zip(numbers, own, strict=True) if label and number < 0)
    if (numbers < 0).all():
        known = [None] * len(ids)
    return Predictions(
        ids, predicted, confidence, known, reasons, dict(others), fitted, before, predictor.classes
    )


def fit_mixture(
    model: Model, logits: NDArray[np.float64], shares: Mapping[str, float] | None = None
) -> Fitted:
    """Fit a model to the owner's mixture, by what its card says of its training classes and of how far to believe it.

    Args:
        model: a verified model.
        logits: (n, K) of the owner's readable items.
        shares: class → share, where the owner knows; None estimates.

    Returns:
        To be applied to logits / temperature. The card's biases serve the estimate alone: an owner without skew keeps what the
        model predicts.

    Sensitivity:
        Unbounded, as `adapt_to_client`.
    Unit:
        None.
    Guarantee:
        None: it stays with the owner.
    Assumes:
        As `adapt_to_client`.

    Raises:
        InvalidInput: the model does not say its mixture, or a share is of no class of it.
    """
    mixture, classes = model.card.mixture, model.card.classes
    if mixture is None:
        raise InvalidInput(
            f"the model {model.card.name!r} does not say what classes it was trained on in which shares, so it cannot be fitted to "
            "yours: ask its maker to train and sign it anew"
        )
    if shares is None:
        return adapt_to_client(logits / mixture.temperature + np.array(mixture.biases), mixture.shares)
    if unknown := sorted(set(shares) - set(classes)):
        raise InvalidInput(
            f"{len(unknown)} shares are of no class of this model, such as {unknown[0]!r}; it knows "
            f"{', '.join(sorted(classes)[:20])}"
        )
    return state_shares([shares.get(name, 0.0) for name in classes], mixture.shares)


def _named(scores: NDArray[np.float64], classes: tuple[str, ...], unread: Mapping[int, str]) -> list[str]:
    """The class of the largest score; "" for what cannot be read."""
    return ["" if row in unread else classes[at] for row, at in enumerate(scores.argmax(axis=1))]


def read_shares(path: Path) -> dict[str, float]:
    """Class shares from a CSV file with the columns `label` and `share` (counts do as well).

    Raises:
        InvalidData: it cannot be read, lacks a column, names a class twice, or a share is no finite number of at least 0.
    """
    try:
        return {label: float(share) for label, share in _pairs(path, "label", "share").items()}
    except ValueError as error:
        if isinstance(error, InvalidData):
            raise
        raise InvalidData(f"cannot read the class shares {path}: {error}") from None


def read_labels(path: Path) -> dict[str, str]:
    """Labels from a CSV file with the columns `id` and `label`; rows without a label are left out.

    Raises:
        InvalidData: it cannot be read, lacks a column, or names an item twice.
    """
    return {name: label for name, label in _pairs(path, "id", "label").items() if label}


def _pairs(path: Path, key: str, value: str) -> dict[str, str]:
    """Two columns of a CSV file, as `read_shares` and `read_labels` take them."""
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {key, value} <= set(reader.fieldnames or ()):
                raise InvalidData(f"{path} needs the columns {key} and {value}; it has {reader.fieldnames}")
            for row in reader:
                if row[key] in found:
                    raise InvalidData(f"{path} names the {key} {row[key]!r} twice")
                found[row[key]] = row[value] or ""
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(f"cannot read {path}: {error}") from None
    return found
