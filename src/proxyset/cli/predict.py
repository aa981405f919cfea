"""proxyset client fetch-model, predict: the model comes back, and runs where the data are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset.agent.models import fetch_model as fetch
from proxyset.cli import options
from proxyset.cli.output import emit, note
from proxyset.client.ledger import Ledger
from proxyset.client.predict import predict as predict_with
from proxyset.client.predict import read_labels
from proxyset.wire.model import Model, ModelCard

_NAMED = 5  # classes, in words


def fetch_model(
    origin: Annotated[
        str, typer.Argument(metavar="URL|FILE", help="The cloud's server, or a file that was carried here.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model; it must not exist.")],
    key: Annotated[
        str | None, typer.Option(help="The public key that must have signed it.", show_default=False)
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Your name for its maker; the URL.", show_default=False)
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Whose model, of a server you are enrolled with.", show_default=False)
    ] = None,
    ledger: options.LedgerFile = None,
    timeout: options.Timeout = 30.0,
    json: options.Json = False,
) -> None:
    """Fetch the model that the cloud made, verify it, and only then keep it. The first key of a server is pinned.

    Example: proxyset client fetch-model https://cloud.example --out model
    """
    book = Ledger.open(ledger)
    found = fetch(origin, out, ledger=book, server=server, key=key, campaign=campaign, timeout=timeout)
    facts = {
        "folder": str(found.folder),
        "key": found.model.key,
        "new_key": found.new_key,
        "card": found.model.card.model_dump(mode="json"),
    }
    emit(facts, f"{found.folder}: verified. {describe(found.model.card)}", json)
    if found.new_key and key is None:
        note(
            f"its key is pinned from now on: {found.model.key}. Compare it with what the cloud tells you on another way"
        )


def predict(
    model: Annotated[Path, typer.Argument(help="Folder or file of the model.")],
    data: options.Data,
    out: Annotated[Path, typer.Option(help="CSV file: id, predicted, confidence and, if known, label.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV file with id and label, to measure with; the data's own.", show_default=False),
    ] = None,
    encoder: options.EncoderOption = None,
    threads: Annotated[
        int | None, typer.Option(help="Of the model; all cores.", min=1, show_default=False)
    ] = None,
    json: options.Json = False,
) -> None:
    """Run a fetched model over your own data. The predictions stay here, and are as private as the data.

    An item that cannot be read has no prediction, and a reason.

    Example: proxyset client predict model --data private/ --out predictions.csv
    """
    found = predict_with(
        Model.open(model),
        data,
        encoder=encoder,
        labels=None if labels is None else read_labels(labels),
        threads=threads,
    )
    found.save(out)
    accuracy = found.right / found.labelled if found.labelled else None
    facts = {
        "out": str(out),
        "items": len(found.ids),
        "unread": len(found.reasons),
        "labelled": found.labelled,
        "accuracy": accuracy,
        "unknown_classes": found.unknown,
    }
    words = f"{out}: {len(found.ids) - len(found.reasons):,} predictions"
    if found.reasons:
        words += f"; {len(found.reasons):,} items cannot be read, the column 'reason' says why"
    if accuracy is not None:
        words += f"; {accuracy:.1%} of {found.labelled:,} labelled items are right"
    if found.unknown:
        named = ", ".join(map(repr, sorted(found.unknown)[:_NAMED])) + (
            ", …" if len(found.unknown) > _NAMED else ""
        )
        counted = "they count as wrong" if found.labelled else "so nothing is known of how many are right"
        words += f"; {sum(found.unknown.values()):,} items are labelled as what is no class of the model ({named}): {counted}"
    emit(facts, words, json)


def describe(card: ModelCard) -> str:
    """A model in one line."""
    licence = card.licence or "no licence named"
    return (
        f"{card.name}: {len(card.classes)} classes, {card.bytes:,} bytes, takes {card.input.kind}; it saw "
        f"{card.lineage.words()}; {licence}"
    )
