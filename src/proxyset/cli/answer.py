"""proxyset answer: the owner's side, file by file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from proxyset import atomic
from proxyset.cli.output import emit
from proxyset.client.answer import answer as answer_probe
from proxyset.client.ledger import Ledger
from proxyset.errors import InvalidInput


class _Unit(StrEnum):
    record = "record"
    person = "person"


class _Adjacency(StrEnum):
    add_remove = "add-remove"
    replace_one = "replace-one"


def answer(
    probe: Annotated[Path, typer.Argument(help="File of the probe.")],
    data: Annotated[str, typer.Option(help="The private data: any kind that a pool may be.")],
    epsilon: Annotated[float, typer.Option(help="Privacy loss of this answer, 0.001 to 100.")],
    out: Annotated[Path, typer.Option(help="File of the release.")],
    delta: Annotated[float, typer.Option(help="Probability that the loss is larger.")] = 1e-5,
    ledger: Annotated[
        Path | None, typer.Option(help="The ledger; your own by default.", show_default=False)
    ] = None,
    unit: Annotated[_Unit, typer.Option(help="What is protected.")] = _Unit.record,
    max_records: Annotated[int, typer.Option(help="Most records of one person that count.")] = 1,
    person: Annotated[
        str | None, typer.Option(help='Column that names the person, or "folder".', show_default=False)
    ] = None,
    adjacency: Annotated[
        _Adjacency, typer.Option(help="Which data sets are neighbours.")
    ] = _Adjacency.add_remove,
    server: Annotated[str, typer.Option(help="Who asks; caps can be set for each.")] = "",
    encoder: Annotated[
        str | None, typer.Option(help='Your copy of the encoder: "onnx:FOLDER".', show_default=False)
    ] = None,
    skip_corrupt: Annotated[bool, typer.Option(help="Leave out records that cannot be encoded.")] = False,
    fresh: Annotated[bool, typer.Option(help="Draw and debit anew, though an answer is stored.")] = False,
    approve: Annotated[bool, typer.Option(help="I looked at this probe and agree.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line instead of words.")] = False,
) -> None:
    """Answer a probe with noisy counts of private data. The same probe again costs nothing.

    Example: proxyset answer probe.safetensors --data private/ --epsilon 0.58 --out release.safetensors
    """
    if out.is_dir():
        raise InvalidInput(f"{out} is a folder: --out takes a file")
    out.parent.mkdir(parents=True, exist_ok=True)
    book = Ledger.open(ledger)
    before = book.spent()
    release = answer_probe(
        probe,
        data,
        epsilon=epsilon,
        delta=delta,
        unit=unit.value,
        max_records=max_records,
        person=person,
        adjacency=adjacency.value,
        ledger=book,
        server=server,
        encoder=encoder,
        skip_corrupt=skip_corrupt,
        fresh=fresh,
        approved=approve,
    )
    atomic.write_bytes(out, release.to_bytes())
    debited, left = book.spent() - before, book.remaining(server)
    facts = {
        "release": str(out),
        "probe": release.probe,
        "clusters": len(release.counts),
        "debited_rho": debited,
        "remaining_rho": left,
        "ledger": str(book.path),
        "privacy": release.privacy.model_dump(),
    }
    cost = f"ε = {epsilon} at δ = {delta} per {unit.value}, ρ = {debited:.4g} debited"
    if not debited:
        cost = "the stored answer, nothing debited"
    emit(facts, f"{out}: {len(release.counts)} noisy counts; {cost}; ρ = {left:.4g} left", json)
