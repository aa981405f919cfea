"""`proxyset train`: a labeled proxy set becomes a model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyset.cli.options import Json, PublicInputs
from proxyset.cli.output import emit, note, progress
from proxyset.errors import InvalidInput

if TYPE_CHECKING:
    from proxyset.train.tracker import Tracker


class Method(StrEnum):
    supervised = "supervised"
    fixmatch = "fixmatch"


class Loss(StrEnum):
    cross_entropy = "cross-entropy"
    generalised = "generalised-cross-entropy"


class Track(StrEnum):
    file = "file"
    none = "none"
    lines = "lines"
    tensorboard = "tensorboard"
    mlflow = "mlflow"


def train(
    proxy: Annotated[str, typer.Argument(help="A proxy set, or labeled images (a folder of folders).")],
    out: Annotated[
        Path, typer.Option(help="Folder for model.onnx, checkpoint, metrics.json and report.html.")
    ],
    labels: Annotated[
        str,
        typer.Option(help='File with columns id and label; "column": the labels that the pool came with.'),
    ] = "column",
    classes: Annotated[
        str, typer.Option(help="Class list, separated by commas; those that occur.", show_default=False)
    ] = "",
    unlabeled: Annotated[
        str | None,
        typer.Option(help="Images for FixMatch: the pool, or a wider proxy set.", show_default=False),
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option(help="FixMatch where --unlabeled is given, else supervised.", show_default=False),
    ] = None,
    model: Annotated[str, typer.Option(help="cnn-8, cnn-16, cnn-32 … or timm:NAME.")] = "cnn-16",
    size: Annotated[int, typer.Option(help="Pixels that images are scaled to.")] = 32,
    steps: Annotated[int, typer.Option(help="Steps of the optimizer.")] = 1000,
    batch_size: Annotated[int, typer.Option(help="Labeled items a step.")] = 64,
    lr: Annotated[float, typer.Option(help="Highest learning rate.")] = 3e-3,
    seed: Annotated[int, typer.Option(help="Of weights, batches and augmentation.", min=0)] = 0,
    flip: Annotated[bool, typer.Option("--flip", help="A mirror image shows the same thing.")] = False,
    loss: Annotated[Loss, typer.Option(help="The second one stands wrong labels.")] = Loss.cross_entropy,
    test: Annotated[
        str | None,
        typer.Option(help="Labeled items to measure on; the report shows some.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    track: Annotated[
        Track, typer.Option(help="Where losses go while it trains; file: metrics.jsonl.")
    ] = Track.file,
    public_inputs: PublicInputs = False,
    json: Json = False,
) -> None:
    """Train a model on a labeled proxy set, measure it, and export it to ONNX.

    Run again with the same options, it goes on where it was stopped. Texts, tables and embeddings get a linear
    head on frozen embeddings, images a network on their pixels.

    Example: proxyset train proxy --labels labels.csv --unlabeled pool --test held-out --out model
    """
    from proxyset.jobs.training import Plan, train_model
    from proxyset.jobs.training_set import read_test_set, read_training_set, read_unlabeled
    from proxyset.train.loop import Run
    from proxyset.train.settings import Settings

    names = [name.strip() for name in classes.split(",") if name.strip()] or None
    file = None if labels == "column" else Path(labels)
    data = read_training_set(proxy, file, classes=names, size=size, public_inputs=public_inputs)
    held_out = None if test is None else read_test_set(test, data, size)
    chosen = method or (Method.fixmatch if unlabeled is not None else Method.supervised)
    if unlabeled is not None and chosen is Method.supervised:
        raise InvalidInput(
            "--method supervised looks at no unlabeled images: leave --unlabeled out, or use fixmatch"
        )
    others = None if unlabeled is None else read_unlabeled(unlabeled, size, public_inputs=public_inputs)
    settings = Settings(steps=steps, batch_size=batch_size, lr=lr, seed=seed, flip=flip)
    plan = Plan(model=model, method=chosen.value, loss=loss.value, settings=settings)
    for line in data.notes:
        note(line)
    with progress() as advance:
        run = Run(
            device=device,
            tracker=_tracker(track, out, steps),
            on_step=lambda done, total: advance("training", done, total),
            warn=note,
        )
        trained = train_model(data, out, plan, unlabeled=others, test=held_out, run=run)
    for line in trained.metrics["notes"][len(data.notes) :]:
        note(line)
    found = trained.evaluation
    measured = (
        f"accuracy {100 * found.accuracy:.1f} % (95 % interval {100 * found.low:.1f} to {100 * found.high:.1f}) on "
        f"{found.items:,} test items"
        if found
        else "no test data, so its accuracy is unknown"
    )
    words = f"{out / 'model.onnx'}: {len(data.classes)} classes from {len(data.items):,} labeled items; {measured}. It saw "
    words += trained.metrics["saw"]
    facts = {
        "model": str(out / "model.onnx"),
        "report": str(out / "report.html"),
        "accuracy": found.accuracy if found else None,
        "interval": [found.low, found.high] if found else None,
        "labeled": len(data.items),
        "classes": list(data.classes),
        "lineage": trained.metrics["lineage"],
        "resumed_at": trained.resumed_at,
    }
    emit(facts, words, json)


def _tracker(track: Track, out: Path, steps: int) -> Tracker:
    from proxyset.train.metrics_file import MetricsFile
    from proxyset.train.tracker import Lines, MLflow, Silent, TensorBoard

    if track is Track.tensorboard:
        return TensorBoard(out / "tensorboard")
    if track is Track.mlflow:
        return MLflow(out.name)
    if track is Track.file:
        return MetricsFile(out, steps)
    return Lines(note) if track is Track.lines else Silent()
