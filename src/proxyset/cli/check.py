"""proxyset client check: how the owner's records would be read for a question, for the owner alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from proxyset.agent.needs import needs_of
from proxyset.cli import options
from proxyset.cli.label_options import FolderNames, LabelColumn, LabelsFile, labels_of
from proxyset.cli.output import emit
from proxyset.cli.show import opened
from proxyset.client.private_data import matching_encoder, open_private
from proxyset.client.readout import ColumnRead, read_out
from proxyset.wire.probe import Probe

_SEEN = 12  # things seen in a column, in words


def check(
    file: Annotated[Path, typer.Argument(metavar="PROBE", help="File of a probe, or of questions.")],
    data: options.Data,
    person: options.Person = None,
    encoder: options.EncoderOption = None,
    labels: LabelsFile = None,
    label_column: LabelColumn = None,
    folder_names: FolderNames = False,
    json: options.Json = False,
) -> None:
    """For you alone: what would be read how, and which records would get no vote and why. Nothing is debited or sent.

    Columns are read by the types that the server asks for. The numbers are true ones: show them to nobody.

    Example: proxyset client check probe.safetensors --data private.csv
    """
    message = opened(file)
    what = "probe" if isinstance(message, Probe) else "set of questions"
    private = open_private(
        data,
        matching_encoder(encoder, message.encoder, what),
        person,
        None if isinstance(message, Probe) else labels_of(labels, label_column, folder_names),
        dataset="",
        classes=() if isinstance(message, Probe) else message.classes,
    )
    found = read_out(private)
    tally = found.tally
    needs = needs_of(message.encoder)
    facts: dict[str, Any] = {
        "records": tally.total,
        "votes": tally.votes,
        "no_vote": dict(tally.no_vote),
        "examples": dict(tally.examples),
        "columns": [asdict(column) for column in found.columns],
    }
    lines = [f"{data}, read for {file}: {needs.words}", *tally.words()]
    lines += [_column(column) for column in found.columns]
    if not isinstance(message, Probe) and private.labels is None:
        lines.append(
            "labels were not looked at: say where they are with --labels, --label-column or --folder-names"
        )
    lines.append("These are true numbers, for you alone. Nothing was debited, stored or sent.")
    emit(facts, "\n".join(lines), json)


def _column(column: ColumnRead) -> str:
    seen = sorted(((what, number) for what, number in column.seen.items() if number), key=lambda one: -one[1])
    words = ", ".join(f"{what} {number:,}" for what, number in seen[:_SEEN])
    more = f" and {len(seen) - _SEEN} more" if len(seen) > _SEEN else ""
    return f"  {column.name} ({column.kind}): {words or 'nothing'}{more}"
