"""`proxyset train`: a labeled proxy set becomes a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from proxyset.cli.options import Device, Json, PublicInputs, Seed, Unlabeled, Weighted, here
from proxyset.cli.output import emit, note, progress
from proxyset.errors import InvalidInput

if TYPE_CHECKING:
    from proxyset.cloud.index import Index
    from proxyset.cloud.store import Place
    from proxyset.encoders import Encoder
    from proxyset.train.tracker import Tracker

DEFAULT_NETWORK = "cnn-16"
Model = Annotated[
    str,
    typer.Option(
        help="auto, head, cnn-8, cnn-16 …, timm:NAME, or onnx:FOLDER: an encoder that is trained further."
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help='For timm:NAME: a file of weights, "hub" to download them, or "random".', show_default=False
    ),
]
IndexBelow = Annotated[
    str | None,
    typer.Option(
        "--index",
        help="The index that the set was drawn from, or its URL: a linear head on its embeddings.",
        show_default=False,
    ),
]
EncoderBelow = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="A linear head on this frozen encoder: onnx:FOLDER or hog; your copy of the index's where that is ONNX.",
        show_default=False,
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        help="Pixels that images are scaled to; 32 for a CNN, else what it was made for.", show_default=False
    ),
]


Track = Literal["file", "none", "lines", "tensorboard", "mlflow"]


def train(
    proxy: Annotated[
        str, typer.Argument(help="A proxy set, or labeled images (a folder of folders); or a URL.")
    ],
    out: Annotated[
        str,
        typer.Option(help="Folder for model.onnx, checkpoint, metrics.json and report.html, or its URL."),
    ],
    labels: Annotated[
        str,
        typer.Option(help='File with columns id and label; "column": the labels that the pool came with.'),
    ] = "column",
    classes: Annotated[
        str, typer.Option(help="Class list, separated by commas; those that occur.", show_default=False)
    ] = "",
    unlabeled: Unlabeled = None,
    method: Annotated[
        Literal["supervised", "fixmatch"] | None,
        typer.Option(help="FixMatch where --unlabeled is given, else supervised.", show_default=False),
    ] = None,
    model: Model = "auto",
    weights: Weights = None,
    index: IndexBelow = None,
    encoder: EncoderBelow = None,
    size: Size = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimizer.")] = 1000,
    batch_size: Annotated[int, typer.Option(help="Labeled items a step.")] = 64,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Highest learning rate; 0.003, or 0.0003 from pretrained weights.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    flip: Annotated[bool, typer.Option("--flip", help="A mirror image shows the same thing.")] = False,
    loss: Annotated[
        Literal["cross-entropy", "generalised-cross-entropy"],
        typer.Option(help="The second one stands wrong labels."),
    ] = "cross-entropy",
    weighted: Weighted = False,
    test: Annotated[
        str | None,
        typer.Option(help="Labeled items to measure on; the report shows some.", show_default=False),
    ] = None,
    device: Device = "auto",
    track: Annotated[
        Track, typer.Option(help="Where losses go while it trains; file: metrics.jsonl.")
    ] = "file",
    public_inputs: PublicInputs = False,
    json: Json = False,
) -> None:
    """Train a model on a labeled proxy set, measure it, and export it to ONNX.

    Run again with the same options, it goes on where it was stopped. Texts, tables and embeddings get a linear head on frozen
    embeddings, and so do images with --index or --encoder: that takes seconds, and an ONNX encoder goes into the exported file.
    Else images get a network on their pixels, which begins with the weights that --model and --weights name.

    Example: proxyset train proxy --labels labels.csv --unlabeled pool --test held-out --out model
    """
    from proxyset.cloud.store import place
    from proxyset.jobs.training import Plan, train_model
    from proxyset.jobs.training_set import read_test_set, read_training_set, read_unlabeled
    from proxyset.train.loop import Run
    from proxyset.train.models import usual_size
    from proxyset.train.settings import Settings

    folder = place(out)
    below = Below.asked(model, weights, index, encoder, unlabeled)
    side = usual_size(below.network) if size is None else size
    names = [name.strip() for name in classes.split(",") if name.strip()] or None
    file = None if labels == "column" else here(labels)
    data = read_training_set(
        proxy,
        file,
        classes=names,
        size=side,
        public_inputs=public_inputs,
        encoder=below.encoder,
        index=below.index,
        weighted=weighted,
    )
    held_out = None if test is None else read_test_set(test, data, side)
    chosen = method or ("fixmatch" if unlabeled is not None else "supervised")
    if unlabeled is not None and chosen == "supervised":
        raise InvalidInput(
            "--method supervised looks at no unlabeled images: leave --unlabeled out, or use fixmatch"
        )
    others = None if unlabeled is None else read_unlabeled(unlabeled, side, public_inputs=public_inputs)
    rate = below.rate if lr is None else lr
    settings = Settings(steps=steps, batch_size=batch_size, lr=rate, seed=seed, flip=flip)
    plan = Plan(model=below.network, weights=weights, method=chosen, loss=loss, settings=settings)
    if model == "auto" and data.encoder is None:
        note(
            f"{below.network} begins with random weights. For a head on the pool's embeddings, in seconds: --index INDEX. For "
            "pretrained weights: --model timm:NAME --weights FILE, or --model onnx:FOLDER"
        )
    for line in data.notes:
        note(line)
    with progress() as advance:
        run = Run(
            device=device,
            tracker=_tracker(track, folder, steps),
            on_step=lambda done, total: advance("training", done, total),
            warn=note,
        )
        trained = train_model(data, folder, plan, unlabeled=others, test=held_out, run=run)
    for line in trained.metrics["notes"][len(data.notes) :]:
        note(line)
    found = trained.evaluation
    measured = (
        f"accuracy {100 * found.accuracy:.1f} % (95 % interval {100 * found.low:.1f} to {100 * found.high:.1f}), balanced accuracy "
        f"{100 * found.balanced_accuracy:.1f} % (the mean over classes), on {found.items:,} test items"
        if found
        else "no test data, so its accuracy is unknown"
    )
    words = f"{folder / 'model.onnx'}: {len(data.classes)} classes from {len(data.items):,} labeled items; {measured}. It saw "
    words += trained.metrics["saw"]
    facts = {
        "model": str(folder / "model.onnx"),
        "report": str(folder / "report.html"),
        "accuracy": found.accuracy if found else None,
        "balanced_accuracy": found.balanced_accuracy if found else None,
        "interval": [found.low, found.high] if found else None,
        "labeled": len(data.items),
        "classes": list(data.classes),
        "lineage": trained.metrics["lineage"],
        "resumed_at": trained.resumed_at,
    }
    emit(facts, words, json)


@dataclass(frozen=True)
class Below:
    """What --model, --weights, --index and --encoder say together.

    Attributes:
        network: of images whose pixels are trained on.
        rate: its highest learning rate, unless asked otherwise.
        encoder: frozen, below a linear head; None to train a network, or for what is no image.
        index: to take embeddings from; None to encode.
    """

    network: str
    rate: float
    encoder: Encoder | None
    index: Index | None

    @classmethod
    def asked(
        cls, model: str, weights: str | None, index: str | None, encoder: str | None, unlabeled: str | None
    ) -> Below:
        """Raises InvalidInput where they contradict each other, and what opening an index or an encoder raises."""
        from proxyset.cloud.index import Index

        opened = Index.open(index) if index else None
        frozen = _frozen(opened, encoder)
        if frozen is not None and (model not in ("auto", "head") or weights or unlabeled):
            raise InvalidInput(
                "--index and --encoder are for a linear head: leave out --model, --weights and --unlabeled"
            )
        if frozen is None and model == "head":
            raise InvalidInput("a head needs frozen features: give the set's --index, or an --encoder")
        network = DEFAULT_NETWORK if model in ("auto", "head") else model
        pretrained = network.startswith("onnx:") or weights not in (None, "random")
        return cls(network, 3e-4 if pretrained else 3e-3, frozen, opened)


def _frozen(index: Index | None, encoder: str | None) -> Encoder | None:
    """The encoder below a head: the index's own, or the one that was named."""
    from proxyset.encoders import encoder_for, load_encoder

    if index is None:
        return None if encoder is None else load_encoder(encoder)
    made = index.manifest.encoder
    if made.name == "onnx" and encoder is None:
        raise InvalidInput(
            f"{index.folder} was made with an ONNX encoder, whose weights are not in it: name its folder with --encoder onnx:FOLDER"
        )
    return encoder_for(made, local=encoder)


def _tracker(track: Track, out: Place, steps: int) -> Tracker:
    from proxyset.train.metrics_file import MetricsFile
    from proxyset.train.tracker import Lines, MLflow, Silent, TensorBoard

    if track == "tensorboard":
        if not isinstance(out, Path):
            raise InvalidInput(
                f"TensorBoard's files are added to while it trains, and no object can be: {out} takes --track file"
            )
        return TensorBoard(out / "tensorboard")
    if track == "mlflow":
        return MLflow(out.name)
    if track == "file":
        return MetricsFile(out, steps)
    return Lines(note) if track == "lines" else Silent()
