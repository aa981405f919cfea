"""One story: labeled proxy set → trained model, measured, exported, reported. Running it again goes on where it stopped.

OUT is a folder, or a URL of object storage.

OUT/checkpoint.safetensors    weights, average, optimizer and step, while and after training
OUT/model.onnx                the model, with its classes and preprocessing in its metadata
OUT/metrics.json              what was measured, everything that it depends on, and what it has seen of private data
OUT/report.html               the same for people
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal

import numpy as np

from proxyset.cloud.store import Place, place, write_bytes
from proxyset.encoders.images import Framing
from proxyset.encoders.multiply_adds import graph_multiply_adds
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.errors import InvalidInput
from proxyset.jobs.training_set import TrainingSet, left_out, shared
from proxyset.train import torch
from proxyset.train.calibrate import calibrate
from proxyset.train.dataset import Images, framing
from proxyset.train.evaluate import Evaluation, evaluate, predict
from proxyset.train.export import About, about_images, export_onnx
from proxyset.train.fixmatch import Unlabeled, fixmatch
from proxyset.train.frozen import export_frozen
from proxyset.train.loop import Fitted, Run
from proxyset.train.models import Classifier, build_model, linear_model
from proxyset.train.report import Report, pick_samples, render
from proxyset.train.settings import Settings
from proxyset.train.supervised import Loss, supervised
from proxyset.wire.lineage import Lineage

Method = Literal["supervised", "fixmatch"]
_FOLDS = 3  # in which a head is calibrated
_FEW = 5  # items a class, below which it is not


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        model, weights: as `models.build_model` takes them; embeddings always get a linear head.
        method: "fixmatch" needs unlabeled images.
        loss: of supervised training.
        rule: FixMatch's options.
    """

    model: str = "cnn-16"
    weights: str | None = None
    method: Method = "supervised"
    loss: Loss = "cross-entropy"
    settings: Settings = field(default_factory=Settings)
    rule: Unlabeled = field(default_factory=Unlabeled)


@dataclass(frozen=True)
class Trained:
    """What is in the folder.

    Attributes:
        folder: OUT.
        evaluation: None without test data.
        metrics: as in metrics.json.
        resumed_at: the step at which this call took up an earlier one; 0 for a new training.
    """

    folder: Place
    evaluation: Evaluation | None
    metrics: dict[str, Any]
    resumed_at: int


def train_model(
    data: TrainingSet,
    out: str | PathLike[str] | Place,
    plan: Plan,
    *,
    unlabeled: Images | None = None,
    test: TrainingSet | None = None,
    run: Run | None = None,
) -> Trained:
    """Train, measure, export and report. All that is written says what the model has seen (`wire.lineage`).

    Args:
        data: labeled items.
        out: folder to write to, or its URL on object storage; may hold an earlier run with the same plan and data, which then goes
            on.
        plan: how.
        unlabeled: images for FixMatch, of the training images' size.
        test: labeled items to measure on; without them nothing is known about how good the model is. The report shows
            some of their images.
        run: device, tracker and progress; its folder is `out`.

    Raises:
        InvalidInput: as the training functions; FixMatch without unlabeled images or on embeddings; unlabeled images that
            supervised training would not look at, but claim.
        ArtifactError: the checkpoint is damaged.
        MissingExtra: a library is not installed.
    """
    out = place(out)
    if unlabeled is not None and plan.method == "supervised":
        raise InvalidInput("supervised training looks at no unlabeled images: give none, or use FixMatch")
    lineage = Lineage.union([data.lineage, *([unlabeled.lineage] if unlabeled else [])])
    run = dataclasses.replace(run or Run(), folder=out, lineage=lineage)
    model = _model(data, plan)
    shape = model.shape
    with _few_threads(data):
        fitted = _fit(model, data, plan, unlabeled, run)
    found = fitted.model
    assert isinstance(found, Classifier)
    mixture = _mixture(data, plan, fitted)
    difference = _export(found, data, out / "model.onnx", fitted.lineage, mixture)
    probabilities = None if test is None else predict(found, test.items, fitted.device)
    evaluation = None if probabilities is None or test is None else evaluate(probabilities, test.labels)
    notes = _notes(data, unlabeled, test, fitted)
    metrics = {
        "model": plan.model if data.encoder is None else "linear",
        "began_with": _began_with(data, plan),
        "method": plan.method,
        "loss": plan.loss,
        "classes": list(data.classes),
        "labeled": len(data.items),
        "unlabeled": 0 if unlabeled is None else len(unlabeled.pixels),
        "settings": dataclasses.asdict(plan.settings),
        "fixmatch": dataclasses.asdict(plan.rule) if plan.method == "fixmatch" else None,
        "input": list(shape),
        "parameters": sum(parameter.numel() for parameter in found.parameters()),
        "multiply_adds": graph_multiply_adds((out / "model.onnx").read_bytes()),
        "device": str(fitted.device),
        "parts": fitted.parts,
        "final_loss": fitted.loss,
        "onnx_difference": difference,
        "test": None if evaluation is None else evaluation.summary(data.classes),
        "weighted": data.weights is not None,
        "mixture": mixture,
        "lineage": fitted.lineage.model_dump(mode="json"),
        "saw": fitted.lineage.words(),
        "notes": list(notes),
    }
    write_bytes(out / "metrics.json", (json.dumps(metrics, indent=1, ensure_ascii=False) + "\n").encode())
    mistakes, samples = (
        pick_samples(test.items, test.labels, probabilities, data.classes)
        if test is not None and probabilities is not None and data.encoder is None
        else ((), ())
    )
    report = Report(
        title=f"A model of {len(data.classes)} classes from {len(data.items):,} labeled items",
        facts=_facts(data, metrics),
        classes=data.classes,
        evaluation=evaluation,
        tested_on=f"{evaluation.items:,} test items" if evaluation else "",
        mistakes=mistakes,
        samples=samples,
        notes=notes,
    )
    write_bytes(out / "report.html", render(report).encode())
    return Trained(out, evaluation, metrics, fitted.resumed_at)


@contextmanager
def _few_threads(data: TrainingSet) -> Iterator[None]:
    """One thread for a head: its products are so small that waiting for others takes three times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if data.encoder is None else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _model(data: TrainingSet, plan: Plan) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(plan.settings.seed)
        if data.encoder is not None:
            return linear_model(data.items, len(data.classes))
        return build_model(plan.model, len(data.classes), size=data.items.shape[-1], weights=plan.weights)


def _fit(model: Classifier, data: TrainingSet, plan: Plan, unlabeled: Images | None, run: Run) -> Fitted:
    if plan.method == "supervised":
        return supervised(
            model, data.items, data.labels, plan.settings, loss=plan.loss, weights=data.weights, run=run
        )
    if data.weights is not None:
        raise InvalidInput("FixMatch takes no weights: train supervised, or leave the weights out")
    if unlabeled is None:
        raise InvalidInput("FixMatch needs unlabeled images: give the pool (unlabeled)")
    return fixmatch(model, data.items, data.labels, unlabeled.pixels, plan.settings, plan.rule, run=run)


def _mixture(data: TrainingSet, plan: Plan, fitted: Fitted) -> dict[str, Any]:
    """What an owner's own mixture is found with (`wire.model.Mixture`): class shares, and for a head how far to believe it.

    A head is trained again without each third of the items, and calibrated on what it says of these. Networks would take too long:
    theirs is left at a temperature of 1.
    """
    n, K = len(data.items), len(data.classes)
    weights = np.ones(n) if data.weights is None else data.weights
    shares = np.bincount(data.labels, weights, K) / weights.sum()
    found: dict[str, Any] = {"shares": shares.tolist(), "temperature": 1.0, "biases": [0.0] * K}
    if data.encoder is None or n < _FEW * K:
        return found
    fold = np.random.default_rng(plan.settings.seed).permutation(n) % _FOLDS
    logits = np.zeros((n, K), np.float32)
    for out in range(_FOLDS):
        kept = fold != out
        if len(np.unique(data.labels[kept])) < 2:
            return found
        part = dataclasses.replace(
            data,
            items=data.items[kept],
            labels=data.labels[kept],
            weights=None if data.weights is None else data.weights[kept],
        )
        with _few_threads(data):
            model = _fit(_model(part, plan), part, plan, None, Run(device=str(fitted.device))).model
        assert isinstance(model, Classifier)
        probabilities = predict(model, data.items[~kept], fitted.device)
        logits[~kept] = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    found["temperature"], found["biases"] = calibrate(logits, data.labels, np.sqrt(weights))
    return found


def _export(
    model: Classifier, data: TrainingSet, path: Place, lineage: Lineage, mixture: dict[str, Any]
) -> float:
    """One file: of pixels where that can be, else of the features that the client's own encoder makes."""
    if data.encoder is None:
        about = about_images(data.classes, framing(data.items.shape[-1]), lineage, mixture)
        return export_onnx(model, path, about)
    if isinstance(data.encoder, OnnxEncoder):
        given = Framing.model_validate(
            data.encoder.recipe.input.model_dump(include=set(Framing.model_fields))
        )
        return export_frozen(model, data.encoder, path, about_images(data.classes, given, lineage, mixture))
    spec = data.encoder.spec.model_dump(mode="json")
    return export_onnx(model, path, About(data.classes, "embedding", None, spec, lineage, mixture))


def _began_with(data: TrainingSet, plan: Plan) -> str:
    """What the weights were before training, for people."""
    if data.encoder is not None:
        return f"the frozen encoder {data.encoder.spec.name}"
    if plan.model.startswith("onnx:"):
        return f"the encoder {plan.model.removeprefix('onnx:')}"
    return "random weights" if plan.weights in (None, "random") else f"weights of {plan.weights}"


def _notes(
    data: TrainingSet, unlabeled: Images | None, test: TrainingSet | None, fitted: Fitted
) -> tuple[str, ...]:
    memory = (f"Memory ran out, so each batch came in {fitted.parts} parts.",) if fitted.parts > 1 else ()
    about_test: tuple[str, ...] = ()
    if test is not None:
        about_test = shared(data.items, test.items, test.ids)
        about_test += tuple(f"Test data: {note}" for note in test.notes)
    about_pool = tuple(f"Unlabeled data: {note}" for note in (left_out(unlabeled) if unlabeled else ()))
    return (*data.notes, *about_pool, *about_test, *memory)


def _facts(data: TrainingSet, metrics: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    settings = metrics["settings"]
    card = data.proxy.card if data.proxy else None
    return tuple(
        (name, value)
        for name, value in (
            ("labeled items", f"{metrics['labeled']:,}"),
            ("unlabeled items", f"{metrics['unlabeled']:,}" if metrics["unlabeled"] else ""),
            ("chosen by", f"{card.strategy}, from a pool of {card.pool_items:,}" if card else ""),
            ("it saw", metrics["saw"]),
            ("method", metrics["method"]),
            ("began with", metrics["began_with"]),
            (
                "model",
                f"{metrics['model']}: {metrics['parameters']:,} parameters, {_mega(metrics)} multiply-adds",
            ),
            ("steps", f"{settings['steps']:,} of {settings['batch_size']} labeled items"),
            (
                "learning rate",
                f"{settings['lr']:g}, {settings['optimizer']}, weight decay {settings['weight_decay']:g}",
            ),
            ("seed", str(settings["seed"])),
            ("device", metrics["device"]),
            ("ONNX against torch", f"logits differ by at most {metrics['onnx_difference']:.1e}"),
        )
        if value
    )


def _mega(metrics: dict[str, Any]) -> str:
    count = metrics["multiply_adds"]
    return f"{count / 1e6:.1f} million" if count >= 1e6 else f"{count:,}"
