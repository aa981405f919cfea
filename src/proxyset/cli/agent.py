"""proxyset client enroll, list, approve, run: the agent of campaigns."""

from __future__ import annotations

import json as jsonlib
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from proxyset.agent import enrolment, inbox
from proxyset.agent.agent import HOLD, Agent, Fate
from proxyset.cli import options
from proxyset.cli.output import emit, note
from proxyset.client import decisions
from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Ledger
from proxyset.client.terms import Terms
from proxyset.console import told_to_end
from proxyset.errors import InvalidInput, Refused
from proxyset.wire.files import read_message

_TOKEN_LIMIT = 1000
UrlOption = Annotated[
    str | None, typer.Option("--url", help="The server, if enrolled with several.", show_default=False)
]
Timeout = options.Timeout
_ONCE_HOLD = 60.0  # seconds, where a person waits


def enroll(
    url: Annotated[str, typer.Argument(help="The cloud's server, https://host:port.")],
    token_file: Annotated[Path, typer.Option(help="File with the one-time token; - reads standard input.")],
    ca: Annotated[
        Path | None, typer.Option(help="PEM file of the server's own authority.", show_default=False)
    ] = None,
    ledger: options.LedgerFile = None,
    timeout: Timeout = 30.0,
    json: options.Json = False,
) -> None:
    """Have a server pin this ledger's public key. Its campaigns can then be answered.

    Example: proxyset client enroll https://cloud.example:8443 --token-file token.txt --ca cloud-ca.pem
    """
    if str(token_file) == "-":
        token = sys.stdin.read(_TOKEN_LIMIT)
    else:
        token = read_message(token_file, "token", _TOKEN_LIMIT).decode(errors="replace")
    if not 20 <= len(token.strip()) <= 200:
        raise InvalidInput(f"{token_file} holds no enrolment token: ask the server's operator for one")
    book = Ledger.open(ledger, create=False)
    server = enrolment.enroll(book, url, token.strip(), ca, timeout)
    words = f"enrolled with {server.url} as {server.name!r}; it knows this ledger by its public key alone"
    emit(server.model_dump() | {"ledger": str(book.path)}, words, json)


def list_offers(
    url: UrlOption = None,
    ledger: options.LedgerFile = None,
    timeout: Timeout = 30.0,
    json: options.Json = False,
) -> None:
    """The open campaigns of a server, what they ask, and what was decided here.

    Example: proxyset client offers
    """
    book = Ledger.open(ledger, create=False)
    service = enrolment.service(book, url, timeout)
    found = []
    for offer in service.offers():
        decided = decisions.decision(book, offer.probe, service.url)
        found.append(
            offer.model_dump(mode="json")
            | {"server": service.url, "decision": decided.kind if decided else ""}
        )
    lines = [
        f"{offer['campaign']}: {offer['purpose'] or 'no purpose given'}\n  ε {offer['ask']['epsilon_low']:g} to "
        f"{offer['ask']['epsilon_high']:g} per {offer['ask']['unit']}, {offer['clusters']} counts, probe of "
        f"{offer['probe_bytes']:,} bytes; {'answered' if offer['answered'] else offer['decision'] or 'not answered'}"
        + (f"; until {offer['deadline']}" if offer["deadline"] else "")
        for offer in found
    ]
    emit({"campaigns": found}, "\n".join(lines) or f"{service.url} has no open campaign", json)


def approve(
    campaign: Annotated[str, typer.Argument(help="Name of the campaign.")],
    epsilon: options.Epsilon,
    delta: options.Delta = 1e-5,
    unit: options.UnitOption = "record",
    max_records: options.MaxRecords = 1,
    adjacency: options.AdjacencyOption = "add-remove",
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it instead, now and later.")] = False,
    url: UrlOption = None,
    ledger: options.LedgerFile = None,
    timeout: Timeout = 30.0,
    json: options.Json = False,
) -> None:
    """Agree to one answer that the policy leaves to a person, up to this ε. Look at the probe first: client look.

    Example: proxyset client approve lung-ct --epsilon 0.8
    """
    book = Ledger.open(ledger, create=False)
    service = enrolment.service(book, url, timeout)
    offers = {offer.campaign: offer for offer in service.offers()}
    if campaign not in offers:
        raise InvalidInput(
            f"{service.url} has no open campaign {campaign!r}: {', '.join(offers) or 'it has none'}"
        )
    offer = offers[campaign]
    ask = inbox.put(book, service.campaign(campaign).pull(), service.url, agent=True, task=offer.task)
    if ask.probe != offer.probe:
        raise Refused(f"{service.url} offers the probe {offer.probe[:12]} and sends {ask.probe[:12]}")
    if refuse:
        entry = decisions.refuse(book, ask.probe, service.url, f"campaign {campaign}")
    else:
        privacy = privacy_statement(epsilon, delta, unit, adjacency, max_records)
        entry = decisions.approve(book, ask.probe, service.url, privacy, f"campaign {campaign}")
    facts = {"campaign": campaign, "probe": ask.probe, "decision": entry.kind, "entry": entry.seq}
    emit(facts, f"{entry.kind} of campaign {campaign} noted in the ledger, entry {entry.seq}", json)


def run(
    data: options.Data,
    epsilon: options.Epsilon,
    url: Annotated[
        str | None, typer.Argument(help="The server, if enrolled with several.", show_default=False)
    ] = None,
    delta: options.Delta = 1e-5,
    ledger: options.LedgerFile = None,
    unit: options.UnitOption = "record",
    max_records: options.MaxRecords = 1,
    person: options.Person = None,
    adjacency: options.AdjacencyOption = "add-remove",
    encoder: options.EncoderOption = None,
    dataset: options.DatasetName = None,
    hold: Annotated[
        float | None,
        typer.Option(
            help=f"{options.HOLD_HELP} {HOLD:g}; with --once {_ONCE_HOLD:g}.", min=0.1, show_default=False
        ),
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 300.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, then end.")] = False,
    timeout: Timeout = 30.0,
    json: options.Json = False,
) -> None:
    """Answer the campaigns of a server as they come, within the policy in force. SIGTERM ends it at the next safe point.

    The ε given here goes out, or nothing: an offer that asks for another is refused. An answer is sent when the hold is over, so
    that its time does not tell how many records there are; a warning says when the work took longer, and what to set.

    With --once the exit status says how it went: 0 all that is open is answered, 3 something was refused or waits for approval,
    1 something failed. What happens is told on standard error, a JSON line each.

    Example: proxyset client run https://cloud.example:8443 --data private/ --epsilon 0.58
    """
    book = Ledger.open(ledger, create=False)
    service = enrolment.service(book, url, timeout)
    terms = Terms(epsilon, delta, unit, max_records, person, adjacency, encoder)
    hold = hold or (_ONCE_HOLD if once else HOLD)
    agent = Agent(service, book, terms, data, _report, dataset, hold)
    if once:
        fates = agent.round()
        words = (
            "\n".join(f"{campaign}: {fate.value}" for campaign, fate in fates.items()) or "nothing to answer"
        )
        emit({"server": service.url, "campaigns": fates}, words, json)
        raise typer.Exit(_status(set(fates.values())))
    with told_to_end(signal.SIGTERM, signal.SIGINT) as stop:
        _report("started", {"server": service.url, "ledger": str(book.path)})
        agent.run(every, stop)
    _report("stopped", {"server": service.url})


def _status(fates: set[Fate]) -> int:
    if fates & {Fate.failed, Fate.rejected}:
        return 1
    return 3 if fates & {Fate.refused, Fate.waiting} else 0


def _report(event: str, facts: dict[str, object]) -> None:
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
    note(jsonlib.dumps(line, ensure_ascii=False))
