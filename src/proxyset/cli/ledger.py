"""proxyset client ledger …: what was released, what it cost, what is left."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from proxyset import atomic
from proxyset.cli.options import Json, SignerKey
from proxyset.cli.options import LedgerArgument as Where
from proxyset.cli.output import emit
from proxyset.client.ledger import Account, Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import check_not_rolled_back, check_receipt, make_key
from proxyset.errors import ArtifactError
from proxyset.wire.files import read_message
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import RECEIPT_LIMIT, RELEASE_LIMIT, Release
from proxyset.wire.server_name import recorded_name

POLICY_LIMIT = 1 << 20

app = typer.Typer(no_args_is_help=True, help="The owner's record of every answer, and its cap.")


@app.command()
def show(
    ledger: Where = None,
    server: Annotated[str, typer.Option(help="Only what this server asked.")] = "",
    json: Json = False,
) -> None:
    """Every entry, the sum, and what is left.

    Example: proxyset client ledger show ledger.sqlite
    """
    book = Ledger.open(ledger, create=False)
    entries, account = book.entries(), book.account(server)
    if server:
        entries = [entry for entry in entries if entry.who == recorded_name(server)]
    facts = {"ledger": str(book.path), **asdict(account), "entries": [asdict(entry) for entry in entries]}
    lines = [
        f"{entry.seq:>5}  {entry.time}  {entry.kind:<8} "
        f"{entry.server or '-':<16} {entry.probe[:12] or '-':<12} "
        + (
            f"ρ {entry.rho:.4g}  ε {entry.epsilon:.4g} at δ {entry.delta:g}  "
            if entry.rho is not None
            else ""
        )
        + entry.note
        for entry in entries
    ]
    emit(facts, "\n".join([str(book.path), *lines, *_words(account)]), json)


@app.command()
def verify(ledger: Where = None, json: Json = False) -> None:
    """Check the hash chain, every stored release and every cap, offline.

    Example: proxyset client ledger verify ledger.sqlite
    """
    book = Ledger.open(ledger, create=False)
    head = book.verify()
    receipts = check_not_rolled_back(book)
    facts = {"ledger": str(book.path), "entries": head.seq, "head": head.hash, "receipts": receipts}
    emit(facts, f"{book.path}: {head.seq} entries, all in order; the last is {head.hash}", json)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File of JSON lines.")], ledger: Where = None, json: Json = False
) -> None:
    """Write all entries as JSON lines.

    Example: proxyset client ledger export ledger.sqlite --out ledger.jsonl
    """
    book = Ledger.open(ledger, create=False)
    entries = len(book.entries())
    atomic.write_bytes(out, book.export_jsonl().encode(), atomic.SECRET)
    emit({"out": str(out), "entries": entries}, f"{out}: {entries} entries", json)


@app.command()
def cap(
    epsilon: Annotated[float, typer.Option(help="The new cap.")],
    delta: Annotated[float, typer.Option(help="At this δ.")] = 1e-5,
    ledger: Where = None,
    server: Annotated[str, typer.Option(help="Cap this server only.")] = "",
    note: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "",
    json: Json = False,
) -> None:
    """Change the cap. The change stays in the ledger. Begins the ledger if there is none.

    Example: proxyset client ledger cap ledger.sqlite --epsilon 4 --note "agreed with the ethics board"
    """
    book = Ledger.open(ledger)
    entry = book.set_cap(Cap(epsilon, delta), server, note)
    left = book.remaining(server)
    facts = {"ledger": str(book.path), "server": server, "cap_rho": entry.rho, "remaining_rho": left}
    emit(facts, f"{book.path}: cap ρ = {entry.rho:.4g} (ε = {epsilon} at δ = {delta}), {left:.4g} left", json)


@app.command()
def key(ledger: Where = None, json: Json = False) -> None:
    """Give the ledger a key: it signs a receipt for every release from now on, and old copies of it are noticed.

    Example: proxyset client ledger key ledger.sqlite
    """
    book = Ledger.open(ledger)
    public = make_key(book)
    emit({"ledger": str(book.path), "key": public}, f"{book.path}: public key {public}", json)


@app.command()
def receipt(
    file: Annotated[Path, typer.Argument(help="A receipt, from wherever it was kept.")],
    ledger: Annotated[
        Path | None, typer.Option(help="Check that it is in this ledger.", show_default=False)
    ] = None,
    release: Annotated[
        Path | None, typer.Option(help="Check that it is for this release.", show_default=False)
    ] = None,
    key: SignerKey = None,
    json: Json = False,
) -> None:
    """Verify a receipt offline: its signature, and what it is for. Either side can.

    Example: proxyset client ledger receipt 00000003.json --release release.safetensors --ledger ledger.sqlite
    """
    found = Receipt.from_bytes(read_message(file, "receipt", RECEIPT_LIMIT), key)
    if release and not found.covers(Release.from_bytes(read_message(release, "release", RELEASE_LIMIT))):
        raise ArtifactError(f"{file} is not the receipt of {release}")
    if ledger:
        check_receipt(Ledger.open(ledger, create=False), found)
    emit(found.claim.model_dump(mode="json"), f"{file}: valid, signed by {found.claim.key}", json)


@app.command()
def policy(
    file: Annotated[Path, typer.Argument(help="The policy, a TOML file.")],
    ledger: Where = None,
    note: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "",
    json: Json = False,
) -> None:
    """Put a policy in force. Every answer from this ledger is bound by it from now on.

    Example: proxyset client ledger policy policy.toml ledger.sqlite
    """
    book = Ledger.open(ledger)
    entry = adopt(book, read_message(file, "policy", POLICY_LIMIT), note)
    facts = {"ledger": str(book.path), "policy": entry.policy, "entry": entry.seq}
    emit(facts, f"{book.path}: the policy {entry.policy} is in force since entry {entry.seq}", json)


def _words(account: Account) -> list[str]:
    spent = (
        f"spent ρ = {account.spent_rho:.4g} in {account.debits} debits: ε = {account.spent_epsilon:.3g} "
        f"whatever the servers did, ε = {account.reported_epsilon:.3g} if no probe depended on answers"
    )
    lines = [spent]
    if account.cap_rho is not None and account.remaining_rho is not None:
        lines.append(
            f"cap ρ = {account.cap_rho:.4g} (ε = {account.cap_epsilon:g} at δ = {account.cap_delta:g}), "
            f"left ρ = {account.remaining_rho:.4g}"
        )
    if len(account.weakest) > 1:
        lines.append(
            f"units differ ({'; '.join(account.weakest)}): the sum protects one record, added or removed"
        )
    return lines
