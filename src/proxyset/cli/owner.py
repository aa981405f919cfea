"""proxyset client serve: the owner's page, on this machine for this machine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from proxyset.agent import inbox
from proxyset.cli import options
from proxyset.cli.label_options import (
    FolderNames,
    LabelColumn,
    LabelsFile,
    Lead,
    Neighbours,
    RuleOption,
    Screening,
    labels_of,
)
from proxyset.cli.output import emit, note
from proxyset.client.label_privacy import DEFAULT_LEAD, DEFAULT_RULE
from proxyset.client.labeling import Voting
from proxyset.client.ledger import Ledger
from proxyset.client.terms import Terms
from proxyset.errors import InvalidInput, TransportError
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT

_LOOPBACK = "127.0.0.1"


def serve(
    data: options.Data,
    ledger: options.LedgerArgument = None,
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)
    ] = 8765,
    probe: Annotated[
        list[Path] | None,
        typer.Option(help="File of a probe to decide about; may be repeated.", show_default=False),
    ] = None,
    questions: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of questions about labels to decide about; may be repeated.", show_default=False
        ),
    ] = None,
    server: Annotated[str, typer.Option(help="Who gave you these files; caps can be set for each.")] = "",
    epsilon: Annotated[float, typer.Option(help="What a form begins with.")] = 0.58,
    records: options.Records = None,
    delta: options.Delta = 1e-5,
    unit: options.UnitOption = "record",
    max_records: options.MaxRecords = 1,
    person: options.Person = None,
    adjacency: options.AdjacencyOption = "add-remove",
    encoder: options.EncoderOption = None,
    dataset: options.DatasetName = None,
    labels: LabelsFile = None,
    label_column: LabelColumn = None,
    folder_names: FolderNames = False,
    rule: RuleOption = DEFAULT_RULE,
    neighbours: Neighbours = None,
    screening: Screening = 0.0,
    lead: Lead = DEFAULT_LEAD,
    json: options.Json = False,
) -> None:
    """Show what is asked of your data, what it would cost and what has left, and let you approve or refuse.

    Only this machine can open the page, with a link that works once; every time one is used, a new one is printed.

    Example: proxyset client serve ledger.sqlite --data private/ --probe probe.safetensors
    """
    import uvicorn

    from proxyset.agent.page.app import owner_page
    from proxyset.agent.page.settings import Settings

    if not Path(data).exists():
        raise InvalidInput(
            f"there is no {data}: --data names the private data that approved questions are answered from"
        )
    terms = Terms(epsilon, delta, unit, max_records, person, adjacency, encoder)
    voting = Voting(rule, neighbours, screening, lead=lead)
    book = Ledger.open(ledger)
    settings = Settings(data, terms, dataset, records, labels_of(labels, label_column, folder_names), voting)
    terms.statement()  # an impossible setting is told here, not on the page
    voting.statement(1, terms)
    for file in [*(probe or []), *(questions or [])]:
        inbox.put(book, read_message(file, "probe", PROBE_LIMIT), server)
    listener = _listen(port)
    port = listener.getsockname()[1]

    def link() -> str:
        return f"http://{_LOOPBACK}:{port}/login?token={page.token.value}"

    page = owner_page(book, settings, port, used=lambda: note(f"for another browser: {link()}"))
    emit(
        {"url": link(), "ledger": str(book.path)},
        f"open {link()}\nThe link works once. Stop with Ctrl-C.",
        json,
    )
    try:
        uvicorn.Server(uvicorn.Config(page.app, log_level="warning", server_header=False)).run(
            sockets=[listener]
        )
    finally:
        page.close()


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server((_LOOPBACK, port))
    except OSError as error:
        raise TransportError(f"cannot listen on {_LOOPBACK}:{port}: {error.strerror or error}") from None
    return listener
