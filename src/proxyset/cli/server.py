"""proxyset server …: keep the state of servers."""

from __future__ import annotations

import json as encoding
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from proxyset.cli import people
from proxyset.cli.options import Json, StateFolder
from proxyset.cli.output import emit
from proxyset.errors import StateError
from proxyset.server import backup as copies
from proxyset.server.state import State

app = typer.Typer(
    no_args_is_help=True, help="Keep a service: who may talk to it, copies, checks, what operators did."
)
app.add_typer(people.clients, name="clients")
app.add_typer(people.tokens, name="tokens")
app.add_typer(people.operators, name="operators")


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="New folder.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Copy a state, its files and its indexes into a folder, while servers run or not. Pools are not copied.

    Example: proxyset server backup /srv/backup/2027-01-31
    """
    book = State.open(state, create=False)
    _told(copies.backup(book, out), str(out), json)


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(help="Folder of a backup, or of any state.", exists=True)],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Copy a backup into a new state, in a folder or in PostgreSQL, and see that it is whole.

    Example: proxyset server restore /srv/backup/2027-01-31 --state /srv/proxyset
    """
    target = State.open(state)
    copied = copies.copy(State.open(backup, create=False), target)
    _told(copied, target.name, json)
    _complain(target)


@app.command()
def check(state: StateFolder = "state", json: Json = False) -> None:
    """Read everything in a state once, and tell what is damaged or missing.

    Example: proxyset server check
    """
    book = State.open(state, create=False)
    _complain(book)
    emit({"state": book.name, "faults": []}, f"{book.name} is whole", json)


@app.command()
def acts(state: StateFolder = "state") -> None:
    """What operators did, by the page, the API and commands, oldest first: one JSON object a line.

    Example: proxyset server acts > acts.jsonl
    """
    for each in State.open(state, create=False).acts():
        typer.echo(encoding.dumps(asdict(each) | {"at": each.at.isoformat()}))


def _told(copied: copies.Copied, where: str, json: bool) -> None:
    rows = ", ".join(f"{count:,} {name}" for name, count in copied.rows.items() if count)
    lines = [
        f"{where}: {rows or 'nothing yet'}",
        *(f"not there, not copied: {each}" for each in copied.missing),
    ]
    emit({"state": where, "rows": copied.rows, "missing": list(copied.missing)}, "\n".join(lines), json)


def _complain(state: State) -> None:
    if found := list(copies.faults(state)):
        raise StateError(f"{state.name} is not whole: " + "; ".join(found))
