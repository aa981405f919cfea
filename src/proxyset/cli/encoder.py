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
def pack(
    spec: Annotated[str, typer.Argument(help="onnx:FOLDER, hf:FOLDER or hf:FOLDER/onnx/FILE.onnx.")],
    key: Annotated[
        Path, typer.Option(help="File of the private key that signs models (proxyset model key).")
    ],
    out: Annotated[str, typer.Option(help="The one file to hand out, or its URL.")],
    index: Annotated[
        str | None, typer.Option(help="The index that was built with it, or its URL.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="For people; the folder's name.", show_default=False)] = "",
    licence: Annotated[str, typer.Option(help="Terms of the weights.")] = "",
    origin: Annotated[str, typer.Option(help="Where it is from.")] = "",
    as_json: Json = False,
) -> None:
    """Pack and sign an encoder for data owners who have none; they fetch it with `proxyset client fetch-encoder`.

    Example: proxyset encoder pack hf:minilm --index index --key cloud.key --licence Apache-2.0 --out minilm.encoder
    """
    from proxyset.cloud.encoder_packing import pack_encoder
    from proxyset.cloud.index import Index
    from proxyset.cloud.store import place, write_bytes
    from proxyset.wire.signing import read_key

    target = place(out)
    asked = Index.open(index).manifest.encoder if index else None
    package = pack_encoder(spec, read_key(key), asked=asked, name=name, licence=licence, origin=origin)
    write_bytes(target, package.to_bytes())
    card = package.card
    facts = {"file": str(out), "key": package.key, "card": card.model_dump(mode="json")}
    words = f"{out}: {card.name}, {card.bytes:,} bytes, fingerprint {card.encoder.fingerprint}, signed by {package.key}"
    emit(facts, words, as_json)


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
