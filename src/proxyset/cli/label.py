"""proxyset label …: labels of a proxy set, by Label Studio or by any spreadsheet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from proxyset.cli import client_label, options, train
from proxyset.cli.output import emit, note, progress
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import InvalidInput
from proxyset.jobs.label_studio.server import Server
from proxyset.jobs.labels import check_classes

app = typer.Typer(no_args_is_help=True, help="Label a proxy set: Label Studio, or a plain file.")
app.command()(client_label.ask)
app.command()(client_label.collect)

_TOKEN = "LABEL_STUDIO_API_KEY"
_LISTED = 10

Url = Annotated[str, typer.Option(help="Of the Label Studio server.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(help=f"File with an access token; else the variable {_TOKEN}.", show_default=False),
]
Project = Annotated[str, typer.Option(help="Name of the project, 3 to 50 characters.")]
Classes = Annotated[
    str,
    typer.Option(help="The classes, separated by commas; by default those that occur.", show_default=False),
]
First = Annotated[
    int | None, typer.Option(help="Only the first N items in order of rank.", show_default=False, min=1)
]


@app.command("push")
def push_command(
    proxy: options.ProxyFolder,
    url: Url,
    project: Project,
    classes: Annotated[str, typer.Option(help="What annotators choose from, separated by commas.")],
    token_file: TokenFile = None,
    first: First = None,
    annotators: Annotated[
        int | None,
        typer.Option(help="People to label each item; 1 for a new project.", show_default=False, min=1),
    ] = None,
    chunk: Annotated[int, typer.Option(help="Most items in one request.", min=1)] = 50,
    json: options.Json = False,
) -> None:
    """Send a proxy set to Label Studio, best items first. Interrupted? Run it again: nothing is sent twice.

    Example: proxyset label push proxy --url http://localhost:8080 --token-file token --project birds --classes owl,hawk
    """
    from proxyset.jobs.label_studio.push import push

    with _server(url, token_file) as server, progress() as advance:
        done = push(
            ProxySet.open(proxy), server, project, _names(classes), first=first, annotators=annotators,
            chunk=chunk, progress=advance,
        )  # fmt: skip
    facts = {
        "project": done.project,
        "sent": done.sent,
        "present": done.present,
        "duplicates_removed": done.duplicates,
        "url": f"{url.rstrip('/')}/projects/{done.project}",
    }
    words = f"{facts['url']}: {done.sent:,} tasks sent, {done.present:,} were there"
    emit(facts, words + (f", {done.duplicates} duplicates removed" if done.duplicates else ""), json)


@app.command("pull")
def pull_command(
    url: Url,
    project: Project,
    out: Annotated[Path, typer.Option(help="File of labels: .csv, .tsv, .json or .jsonl.")],
    token_file: TokenFile = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Ask for all again, not only for what changed.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Fetch labels from Label Studio, one row an item and annotator. Run it again for what changed since.

    Example: proxyset label pull --url http://localhost:8080 --token-file token --project birds --out labels.csv
    """
    from proxyset.jobs.label_studio.pull import pull

    with _server(url, token_file) as server, progress() as advance:
        found = pull(server, project, out, everything=everything, progress=advance)
    if found.foreign:
        note(f"{found.foreign} tasks of the project are not proxyset's and were passed over")
    facts = {
        "labels": str(out) if found.answers else None,
        "project": found.project,
        "items": found.items,
        "answers": found.answers,
        "changed": found.changed,
        "skipped": found.skipped,
    }
    words = f"{out}: {found.answers:,} labels of {found.items:,} items, {found.changed:,} items changed"
    emit(facts, words if found.answers else "nobody has labeled an item yet: nothing was written", json)


@app.command("check")
def check_command(
    labels: Annotated[Path, typer.Argument(help="File of labels.")],
    proxy: options.ProxyFolder,
    classes: Classes = "",
    index: Annotated[
        str | None,
        typer.Option(
            help="The index it was drawn from, or its URL: lists suspicious labels too.", show_default=False
        ),
    ] = None,
    complete: Annotated[bool, typer.Option("--complete", help="Fail where an item has no label.")] = False,
    json: options.Json = False,
) -> None:
    """Counts, agreement between annotators, ties, and with an index the labels that look wrong.

    Example: proxyset label check labels.csv proxy --index index
    """
    from proxyset.jobs.agreement import agreement
    from proxyset.jobs.label_check import suspects_of
    from proxyset.jobs.label_files import read_labels
    from proxyset.jobs.labels import match_labels

    answers = read_labels(labels)
    opened = ProxySet.open(proxy)
    found = match_labels(answers, opened, classes=_names(classes) if classes else None, complete=complete)
    agreed = agreement(answers)
    facts: dict[str, Any] = {
        "labeled": len(found),
        "unlabeled": list(found.unlabeled),
        "ties": list(found.ties),
        "elsewhere": len(found.elsewhere),
        "classes": found.counts,
        "shared_items": agreed.items,
        "disagreed": list(agreed.disagreed),
        "alpha": agreed.alpha,
        "pairs": [vars(pair) for pair in agreed.pairs],
    }
    lines = [
        f"{len(found):,} of {opened.card.items:,} items are labeled: "
        + ", ".join(f"{name} {number:,}" for name, number in found.counts.items()),
        *_listed("without a label", found.unlabeled),
        *_listed("with a tie between annotators, left out", found.ties),
        *_listed("labeled but not in this proxy set", found.elsewhere),
    ]
    if agreed.items:
        alpha = "not defined" if agreed.alpha is None else f"{agreed.alpha:.3f}"
        lines.append(f"{agreed.items:,} items have several annotators: Krippendorff's alpha {alpha}")
        lines += [
            f"  {pair.one} and {pair.other}: {100 * pair.observed:.1f} % equal on {pair.items:,}"
            + ("" if pair.kappa is None else f", Cohen's kappa {pair.kappa:.3f}")
            for pair in agreed.pairs
        ]
        lines += _listed("on which they differ", agreed.disagreed)
    if index:
        suspects, alone = suspects_of(found, opened, index)
        facts |= {"suspicious": [vars(suspect) for suspect in suspects], "not_judged": alone}
        rest = f"; {alone} could not be judged, their classes have one item" if alone else ""
        lines.append(f"{len(suspects)} labels look wrong{rest}" + (", the worst first:" if suspects else ""))
        lines += [
            f"  {suspect.id}: {suspect.label}, rather {suspect.suggested} (belief in the label {suspect.confidence:.2f})"
            for suspect in suspects
        ]
    emit(facts, "\n".join(lines), json)


@app.command("curve")
def curve_command(
    labels: Annotated[Path, typer.Argument(help="File of labels.")],
    proxy: options.ProxyFolder,
    first: Annotated[str, typer.Option(help="How many of the first items to train on: 200,500,1000.")],
    test: Annotated[str, typer.Option(help="Labeled items to measure on, like the client's.")],
    out: Annotated[Path, typer.Option(help="Folder; each model lies in a folder of it.")],
    unlabeled: options.Unlabeled = None,
    classes: Classes = "",
    model: train.Model = "auto",
    weights: train.Weights = None,
    index: train.IndexBelow = None,
    encoder: train.EncoderBelow = None,
    size: train.Size = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimizer, the same for all.")] = 1000,
    seed: options.Seed = 0,
    public_inputs: options.PublicInputs = False,
    json: options.Json = False,
) -> None:
    """Train on the labels of the first N items for each N: is it worth labeling more?

    Example: proxyset label curve labels.csv proxy --first 100,200 --test held-out --unlabeled pool --out curve
    """
    from proxyset.jobs.selective_labeling import selective_labeling
    from proxyset.jobs.training import Plan
    from proxyset.train.loop import Run
    from proxyset.train.models import usual_size
    from proxyset.train.settings import Settings

    below = train.Below.asked(model, weights, index, encoder, unlabeled)
    settings = Settings(steps=steps, seed=seed, lr=below.rate)
    with progress() as advance:
        run = Run(on_step=lambda done, total: advance("training", done, total), warn=note)
        rounds = selective_labeling(
            ProxySet.open(proxy), labels, out, test=test, first=_numbers(first), unlabeled=unlabeled,
            classes=_names(classes) if classes else None, size=usual_size(below.network) if size is None else size,
            plan=Plan(model=below.network, weights=weights, settings=settings), public_inputs=public_inputs, run=run,
            encoder=below.encoder, index=below.index,
        )  # fmt: skip
    facts = [vars(found) | {"folder": str(found.folder)} for found in rounds]
    words = [
        f"first {found.first:,}: {found.labeled:,} labels, accuracy {100 * found.accuracy:.1f} % "
        f"({100 * found.low:.1f} to {100 * found.high:.1f}), balanced {100 * found.balanced_accuracy:.1f} %"
        for found in rounds
    ]
    emit({"rounds": facts}, "\n".join(words), json)


@app.command("export")
def export_command(
    proxy: options.ProxyFolder,
    out: Annotated[Path, typer.Option(help="New file: .csv, .tsv, .json or .jsonl.")],
    first: First = None,
    json: options.Json = False,
) -> None:
    """Write a sheet to fill in: id, file or text, and an empty column `label`, best items first.

    Example: proxyset label export proxy --first 200 --out sheet.csv
    """
    from proxyset.jobs.label_check import write_sheet

    rows = write_sheet(ProxySet.open(proxy), out, first)
    emit({"sheet": str(out), "rows": rows}, f"{out}: {rows:,} items to label", json)


@app.command("import")
def import_command(
    sheet: Annotated[Path, typer.Argument(help="File of labels, or a JSON export of Label Studio.")],
    proxy: options.ProxyFolder,
    out: Annotated[Path, typer.Option(help="File of labels: .csv, .tsv, .json or .jsonl.")],
    classes: Classes = "",
    json: options.Json = False,
) -> None:
    """Check a file of labels against its proxy set and write it as the other commands read it.

    Example: proxyset label import sheet.csv proxy --classes owl,hawk --out labels.csv
    """
    from proxyset.jobs.label_check import import_labels

    found = import_labels(sheet, ProxySet.open(proxy), out, _names(classes) if classes else None)
    facts = {"labels": str(out), "labeled": len(found), "classes": found.counts}
    facts |= {"unlabeled": len(found.unlabeled), "ties": list(found.ties)}
    words = f"{out}: {len(found):,} items labeled, {len(found.unlabeled):,} not"
    emit(facts, words + (f", {len(found.ties)} ties" if found.ties else ""), json)


def _server(url: str, token_file: Path | None) -> Server:
    token = token_file.read_text(encoding="utf-8").strip() if token_file else os.environ.get(_TOKEN, "")
    if not token:
        where = f"{token_file} is empty" if token_file else f"no --token-file, and no variable {_TOKEN}"
        raise InvalidInput(
            f"{where}: copy an access token from the page Account & Settings of {url} into a file that only you can read"
        )
    return Server(url, token)


def _names(classes: str) -> tuple[str, ...]:
    return check_classes(classes.split(","))


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise InvalidInput(f"--first takes numbers separated by commas, not {text!r}") from None


def _listed(what: str, items: tuple[str, ...]) -> list[str]:
    if not items:
        return []
    more = f", and {len(items) - _LISTED:,} more" if len(items) > _LISTED else ""
    return [f"{len(items):,} {what}: {', '.join(items[:_LISTED])}{more}"]
