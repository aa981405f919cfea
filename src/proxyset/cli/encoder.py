"""`proxyset encoder`: make an encoder folder, and look at an encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from proxyset.cli.options import Json
from proxyset.cli.output import emit, note
from proxyset.encoders import Encoder, load_encoder

app = typer.Typer(help="Encoders: what both sides compute features with.", no_args_is_help=True)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="efficientnet-lite0, or timm:NAME with --weights.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    weights: Annotated[
        Path | None, typer.Option(help="State dict of a timm model; nothing is downloaded.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the input, pixels. [default: the authors']")
    ] = None,
    resize: Annotated[
        Literal["crop", "stretch"],
        typer.Option(help="crop: the authors' way; stretch: keep all of a picture."),
    ] = "crop",
    as_json: Json = False,
) -> None:
    """Export a PyTorch image model to an ONNX encoder folder. Needs torch; running the folder does not.

    Example: proxyset encoder export efficientnet-lite0 --size 96 --out lite0
    """
    from proxyset.encoders.export import export_encoder, named

    encoder = export_encoder(named(name, weights=weights, size=size, resize=resize), out)
    _show(encoder, as_json)
    if not as_json:
        note(f"Use it on both sides as: --encoder onnx:{out}")


@app.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="Of the Hugging Face hub: sentence-transformers/all-MiniLM-L6-v2.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    network: Annotated[str, typer.Option(help="The ONNX file of it that is wanted.")] = "onnx/model.onnx",
    revision: Annotated[str | None, typer.Option(help="A commit or a tag. [default: the newest]")] = None,
    as_json: Json = False,
) -> None:
    """Fetch an encoder of texts or pictures from the Hugging Face hub. It runs by ONNX Runtime; nothing of it is executed.

    Example: proxyset encoder fetch sentence-transformers/all-MiniLM-L6-v2 --out minilm
    """
    from proxyset.transport.hub import fetch_encoder

    fetch_encoder(name, out, network, revision)
    emit({"folder": str(out)}, f"{out}: use it on both sides as --encoder hf:{out}", as_json)


@app.command()
def info(
    spec: Annotated[str, typer.Argument(help="hog, hog:size=32, wordllama, onnx:FOLDER or hf:FOLDER.")],
    as_json: Json = False,
) -> None:
    """Show an encoder's dimension, fingerprint and parameters; its self-test runs on this machine.

    Example: proxyset encoder info onnx:lite0
    """
    _show(load_encoder(spec), as_json)


def _show(encoder: Encoder, as_json: bool) -> None:
    spec = encoder.spec
    facts = {**spec.model_dump(mode="json"), "kind": encoder.kind, "fingerprint": spec.fingerprint}
    lines = [f"{spec.name}: {spec.dim} features of {encoder.kind} items; fingerprint {spec.fingerprint}"]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in spec.params.items()]
    emit(facts, "\n".join(lines), as_json)
