"""proxyset answer: the owner's side, file by file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset import atomic
from proxyset.cli import options
from proxyset.cli.confirm import Strict, confirming
from proxyset.cli.output import emit
from proxyset.client.answer import answer_probe
from proxyset.client.gate import Gate
from proxyset.client.ledger import Ledger
from proxyset.client.terms import Terms
from proxyset.errors import InvalidInput


def answer(
    probe: Annotated[Path, typer.Argument(help="File of the probe.")],
    data: options.Data,
    epsilon: options.Epsilon,
    out: Annotated[Path, typer.Option(help="File of the release.")],
    delta: options.Delta = 1e-5,
    ledger: options.LedgerFile = None,
    unit: options.UnitOption = "record",
    max_records: options.MaxRecords = 1,
    person: options.Person = None,
    adjacency: options.AdjacencyOption = "add-remove",
    server: options.Asker = "",
    encoder: options.EncoderOption = None,
    dataset: options.DatasetName = None,
    fresh: options.Fresh = False,
    approve: options.Approve = False,
    new_index: options.NewIndex = False,
    strict: Strict = False,
    json: options.Json = False,
) -> None:
    """Answer a probe with noisy counts of private data. The same probe with the same settings again costs nothing.

    Example: proxyset answer probe.safetensors --data private/ --epsilon 0.58 --out release.safetensors
    """
    if out.is_dir():
        raise InvalidInput(f"{out} is a folder: --out takes a file")
    terms = Terms(epsilon, delta, unit, max_records, person, adjacency, encoder)
    out.parent.mkdir(parents=True, exist_ok=True)
    book = Ledger.open(ledger)
    before = book.spent()
    gate = Gate(book, server, fresh=fresh, approved=approve, new_index=new_index, confirm=confirming(strict))
    release = answer_probe(probe, data, terms, gate, dataset)
    atomic.write_bytes(out, release.to_bytes())
    debited, left = book.spent() - before, book.remaining(server)
    facts = {
        "release": str(out),
        "probe": release.probe,
        "clusters": len(release.counts),
        "debited_rho": debited,
        "remaining_rho": left,
        "ledger": str(book.path),
        "receipt": bool(release.receipt),
        "privacy": release.privacy.model_dump(),
    }
    cost = f"ε = {epsilon} at δ = {delta} per {unit}, ρ = {debited:.4g} debited"
    if not debited:
        cost = "the stored answer, nothing debited"
    emit(facts, f"{out}: {len(release.counts)} noisy counts; {cost}; ρ = {left:.4g} left", json)
