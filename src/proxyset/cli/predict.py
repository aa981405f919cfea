"""proxyset client fetch-model, predict: the model comes back, and runs where the data are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset.agent.models import fetch_model as fetch
from proxyset.cli import options
from proxyset.cli.output import emit, note
from proxyset.client.home import adapt_model, open_model
from proxyset.client.ledger import Ledger
from proxyset.client.predict import Predictions, read_labels, read_shares
from proxyset.client.predict import predict as predict_with
from proxyset.wire.model import ModelCard

_NAMED = 5  # classes, in words
_SHOWN = 12  # classes whose shares are shown


def fetch_model(
    origin: options.Origin,
    out: Annotated[Path, typer.Option(help="Folder for the model; it must not exist.")],
    key: options.SignerKey = None,
    server: options.Maker = None,
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


Labels = Annotated[
    Path | None,
    typer.Option(help="CSV file with id and label, to measure with; the data's own.", show_default=False),
]
Prior = Annotated[
    Path | None,
    typer.Option(
        help="CSV file with label and share, where you know your own mixture of classes; it is estimated.",
        show_default=False,
    ),
]
Threads = Annotated[int | None, typer.Option(help="Of the model; all cores.", min=1, show_default=False)]


def predict(
    model: Annotated[Path, typer.Argument(help="Folder or file of the model.")],
    data: options.Data,
    out: Annotated[Path, typer.Option(help="CSV file: id, predicted, confidence and, if known, label.")],
    labels: Labels = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Fit the model to the mixture of classes of these items first.")
    ] = False,
    prior: Prior = None,
    encoder: options.EncoderOption = None,
    threads: Threads = None,
    json: options.Json = False,
) -> None:
    """Run a fetched model over your own data. The predictions stay here, and are as private as the data.

    An item that cannot be read has no prediction, and a reason. With --adapt or --prior the model is first fitted to your own
    mixture of classes, here: nothing is sent, and it costs no privacy.

    Example: proxyset client predict model --data private/ --out predictions.csv --adapt
    """
    found = predict_with(
        open_model(model),
        data,
        encoder=encoder,
        labels=None if labels is None else read_labels(labels),
        threads=threads,
        adapt=adapt,
        shares=None if prior is None else read_shares(prior),
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
        **_changes(found),
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
    emit(facts, "\n".join([words, *_before_and_after(found)]), json)


def adapt(
    model: Annotated[Path, typer.Argument(help="Folder or file of the model that was fetched.")],
    data: options.Data,
    out: Annotated[Path, typer.Option(help="Folder for the fitted model; it must not exist.")],
    labels: Labels = None,
    prior: Prior = None,
    encoder: options.EncoderOption = None,
    threads: Threads = None,
    json: options.Json = False,
) -> None:
    """Fit a fetched model to your own mixture of classes, and keep the fitted one here.

    It needs no labels, sends nothing and costs no privacy. The fitted model has seen private data, and says PRIVATE: no command
    signs, serves or publishes it.

    Example: proxyset client adapt model --data private/ --out fitted
    """
    home = adapt_model(
        open_model(model),
        data,
        out,
        encoder=encoder,
        labels=None if labels is None else read_labels(labels),
        threads=threads,
        shares=None if prior is None else read_shares(prior),
    )
    found = home.predictions
    facts = {"out": str(out), "items": len(found.ids), "unread": len(found.reasons), **_changes(found)}
    words = f"{out}: fitted to {len(found.ids) - len(found.reasons):,} items; PRIVATE, it stays here"
    emit(facts, "\n".join([words, *_before_and_after(found)]), json)


def _changes(found: Predictions) -> dict[str, object]:
    """What fitting changed, for programs; nothing where nothing was fitted."""
    if found.fitted is None:
        return {}
    return {
        "changed": found.changed,
        "strength": found.fitted.strength,
        "prior": dict(zip(found.classes, found.fitted.prior.tolist(), strict=True)),
        "training": dict(zip(found.classes, found.fitted.training.tolist(), strict=True)),
        "accuracy_before": found.right_before / found.labelled if found.labelled else None,
        "accuracy_after": found.right / found.labelled if found.labelled else None,
    }


def _before_and_after(found: Predictions) -> list[str]:
    """What fitting changed, for people: lines, the classes that changed most first."""
    fitted = found.fitted
    if fitted is None:
        return []
    how = (
        "as you stated them"
        if fitted.items == 0
        else f"estimated; {fitted.strength:.0%} of the difference is applied"
    )
    lines = [f"your classes, {how}; {found.changed:,} predictions changed:"]
    order = sorted(range(len(fitted.prior)), key=lambda at: -abs(fitted.prior[at] - fitted.training[at]))
    for at in order[:_SHOWN]:
        before, after = found.before.count(found.classes[at]), found.predicted.count(found.classes[at])
        lines.append(
            f"  {found.classes[at]}: {fitted.training[at]:.1%} in training, {fitted.prior[at]:.1%} here; predicted "
            f"{before:,} times before, {after:,} after"
        )
    if len(order) > _SHOWN:
        lines.append(f"  and {len(order) - _SHOWN:,} more classes")
    if found.labelled:
        lines.append(
            f"of {found.labelled:,} labelled items {found.right_before:,} were right before "
            f"({found.right_before / found.labelled:.1%}), {found.right:,} after ({found.right / found.labelled:.1%})"
        )
    return lines


def describe(card: ModelCard) -> str:
    """A model in one line."""
    licence = card.licence or "no licence named"
    return (
        f"{card.name}: {len(card.classes)} classes, {card.bytes:,} bytes, takes {card.input.kind}; it saw "
        f"{card.lineage.words()}; {licence}"
    )
