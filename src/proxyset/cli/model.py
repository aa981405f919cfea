"""proxyset model …: the cloud describes and signs a model before it goes back to the data owner."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Annotated

import typer

from proxyset.cli import options
from proxyset.cli.output import emit, warn_private
from proxyset.cli.predict import describe
from proxyset.cloud.store import new_folder, place, write_bytes
from proxyset.errors import InvalidInput
from proxyset.fingerprint import canonical_json
from proxyset.wire.files import read_message
from proxyset.wire.lineage import PRIVATE, UNKNOWN
from proxyset.wire.model import CARD, MODEL, MODEL_LIMIT, SIGNATURE, Model, ModelCard
from proxyset.wire.signing import make_key, read_key

app = typer.Typer(no_args_is_help=True, help="Models on their way back: the cloud's key and signature.")


@app.command()
def key(
    path: Annotated[Path, typer.Argument(help="File for the private key; it must not exist.")],
    json: options.Json = False,
) -> None:
    """Make the key that signs models. Tell data owners its public half on another way than the server.

    Example: proxyset model key cloud.key
    """
    public = make_key(path)
    emit({"file": str(path), "key": public}, f"{path}: keep it secret. Its public half: {public}", json)


@app.command()
def pack(
    file: Annotated[str, typer.Argument(help="ONNX file that proxyset exported, or its URL.")],
    out: Annotated[
        str, typer.Option(help="Folder for model.onnx and card.json, or its URL; it must not exist.")
    ],
    proxy: Annotated[
        str | None,
        typer.Option(help="A proxy set that went in, where the file does not say so.", show_default=False),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="A file of labels that went in, where the file does not say so.", show_default=False
        ),
    ] = None,
    saw_private: Annotated[
        bool, typer.Option("--saw-private", help="It was trained on private items without a guarantee.")
    ] = False,
    public_inputs: options.PublicInputs = False,
    name: Annotated[str, typer.Option(help="For people; the file's name.", show_default=False)] = "",
    licence: Annotated[str, typer.Option(help="Terms of the weights.")] = "",
    json: options.Json = False,
) -> None:
    """Write the card of a trained model: what it takes, its classes, and what it has seen of private data.

    A model that proxyset trained says itself what it has seen; options add to that.

    Example: proxyset model pack trained/model.onnx --out classifier
    """
    from proxyset.cloud.proxy_set import ProxySet
    from proxyset.jobs.label_files import origin_of
    from proxyset.jobs.packing import pack as write

    seen = [PRIVATE] if saw_private else []
    seen += [ProxySet.open(proxy).card.lineage] if proxy else []
    if labels:
        origin = origin_of(labels)
        seen.append(origin.lineage if origin else UNKNOWN)
    source, target = place(file), place(out)
    data = read_message(source, "model", MODEL_LIMIT)
    with new_folder(target, CARD) as folder:
        card = write(
            data,
            folder,
            name=name or PurePath(source.name).stem,
            seen=seen,
            public_inputs=public_inputs,
            licence=licence,
        )
    if card.lineage.private:
        warn_private("this model saw private items; its card says so")
    emit({"out": str(out), "card": card.model_dump(mode="json")}, f"{out}: {describe(card)}", json)


@app.command()
def sign(
    folder: Annotated[str, typer.Argument(help="Folder with model.onnx and card.json, or its URL.")],
    key: Annotated[Path, typer.Option(help="File of the private key.")],
    out: Annotated[
        str | None,
        typer.Option(help="The one file to hand out, or its URL; FOLDER.model.", show_default=False),
    ] = None,
    json: options.Json = False,
) -> None:
    """Sign a model, and write it as the one file that a server hands out or a stick carries.

    Example: proxyset model sign student --key cloud.key
    """
    where = place(folder)
    onnx = read_message(where / MODEL, "model", MODEL_LIMIT)
    signed = Model.sign(ModelCard.read(where), onnx, read_key(key))
    target = place(out) if out else where.parent / (where.name + ".model")
    if target.is_dir():
        raise InvalidInput(f"{target} is a folder; choose another --out")
    write_bytes(where / SIGNATURE, canonical_json({"key": signed.key, "signature": signed.signature}) + b"\n")
    write_bytes(target, signed.to_bytes())
    facts = {"file": str(target), "key": signed.key, "bytes": len(signed.to_bytes())}
    emit(facts, f"{target}: signed by {signed.key}. {describe(signed.card)}", json)


@app.command()
def show(
    path: Annotated[str, typer.Argument(help="Folder or file of a signed model, or its URL.")],
    json: options.Json = False,
) -> None:
    """Verify a signed model and say what it is.

    Example: proxyset model show student.model
    """
    found = Model.open(place(path))
    facts = {"key": found.key, "card": found.card.model_dump(mode="json")}
    lines = [describe(found.card), f"classes: {', '.join(found.card.classes[:50])}", f"signed by {found.key}"]
    lines += [f"made by: {found.card.origin}"] if found.card.origin else []
    emit(facts, "\n".join(lines), json)
