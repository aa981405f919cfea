"""proxyset server clients, tokens, operators: who may talk to the server."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from proxyset.cli.options import Json, StateFolder
from proxyset.cli.output import emit, note
from proxyset.errors import InvalidInput
from proxyset.server.state import State

tokens = typer.Typer(no_args_is_help=True, help="One-time tokens with which clients enrol.")
clients = typer.Typer(no_args_is_help=True, help="Enrolled clients, by their pinned keys.")
operators = typer.Typer(no_args_is_help=True, help="Who runs the server, by bearer tokens.")


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What to call the client.")],
    days: Annotated[float, typer.Option(help="How long the token can be used.", min=0.001, max=365)] = 7.0,
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Make a token for one client. It is printed once and kept only as a hash; carry it over a channel that you trust.

    Example: proxyset server tokens create "St. Mary" > token.txt
    """
    if not days <= 365:  # nan is less than no minimum
        raise InvalidInput(f"--days is a number from 0.001 to 365, not {days}")
    secret = State.open(state).create_token(name, timedelta(days=days))
    note(f"for {name!r}, once, within {days:g} days")
    emit({"token": secret, "name": name, "days": days}, secret, json)


@tokens.command("list")
def list_tokens(state: StateFolder = "state", json: Json = False) -> None:
    """All tokens: for whom, until when, used or not.

    Example: proxyset server tokens list
    """
    found = State.open(state, create=False).tokens()
    facts = [
        {
            "id": each.id,
            "name": each.name,
            "expires": each.expires.isoformat(),
            "client": each.client or "",
            "open": each.open(),
        }
        for each in found
    ]
    lines = [
        f"{each.id} {each.name}: "
        + (f"used by {each.client[:12]}" if each.client else "")
        + ("" if each.client else f"{'until' if each.open() else 'expired'} {each.expires:%F %T} UTC")
        for each in found
    ]
    emit({"tokens": facts}, "\n".join(lines) or "no token yet", json)


@tokens.command("withdraw")
def withdraw_token(
    id: Annotated[str, typer.Argument(help="The token's number, as `server tokens list` prints it.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Let nobody enrol with a token that was not used yet. A running server heeds it at once.

    Example: proxyset server tokens withdraw 0f3a52d7c1e8
    """
    State.open(state, create=False).withdraw_token(id)
    emit({"id": id}, f"nobody can enrol with the token {id}", json)


@clients.command("list")
def list_clients(state: StateFolder = "state", json: Json = False) -> None:
    """All clients, revoked ones too.

    Example: proxyset server clients list
    """
    found = State.open(state, create=False).clients()
    facts = [{"key": each.key, "name": each.name, "revoked": each.revoked is not None} for each in found]
    lines = [f"{each.key} {each.name}{' (revoked)' if each.revoked else ''}" for each in found]
    emit({"clients": facts}, "\n".join(lines) or "no client yet", json)


@clients.command("add")
def add_client(
    key: Annotated[str, typer.Argument(help="Its public key, as `client init` prints it.")],
    name: Annotated[str, typer.Argument(help="What to call it.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Pin a key that came by hand, for a client that shares no network with the server.

    Example: proxyset server clients add 5f0a… "St. Mary"
    """
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        raise InvalidInput(f"{key!r} is not a public key: 64 hexadecimal digits, as `client init` prints it")
    State.open(state).add_client(key, name)
    emit({"key": key, "name": name}, f"{key} is {name}", json)


@clients.command("revoke")
def revoke_client(
    key: Annotated[str, typer.Argument(help="Its public key.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Answer a key no more; what it sent stays. A running server heeds it at once.

    Example: proxyset server clients revoke 5f0a…
    """
    client = State.open(state, create=False).revoke_client(key)
    emit({"key": client.key, "name": client.name}, f"{client.name} is answered no more", json)


@operators.command("create")
def create_operator(
    name: Annotated[str, typer.Argument(help="Who or what it is for.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="read, campaigns or clients; or in one campaign alone: read:lung-ct. May be repeated.",
            show_default="read",
        ),
    ] = ["read"],  # noqa: B006
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Make a bearer token for a person or a program. It is printed once and kept only as a hash.

    Example: proxyset server operators create ann --scope read --scope campaigns > ann.token
    """
    secret = State.open(state).accounts.create(name, scope)
    held = ", ".join(sorted(set(scope)))
    note(f"for {name!r}, scopes: {held}")
    emit({"token": secret, "name": name, "scopes": sorted(set(scope))}, secret, json)


@operators.command("list")
def list_operators(state: StateFolder = "state", json: Json = False) -> None:
    """All operators and what their tokens are good for.

    Example: proxyset server operators list
    """
    found = State.open(state, create=False).accounts.all()
    facts = [
        {"name": each.name, "scopes": sorted(each.scopes), "revoked": each.revoked is not None}
        for each in found
    ]
    lines = [
        f"{each.name}: {', '.join(sorted(each.scopes))}{' (revoked)' if each.revoked else ''}"
        for each in found
    ]
    emit({"operators": facts}, "\n".join(lines) or "no operator yet", json)


@operators.command("revoke")
def revoke_operator(
    name: Annotated[str, typer.Argument(help="Whose token.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Take a token out of use. A running server heeds it at once.

    Example: proxyset server operators revoke ann
    """
    State.open(state, create=False).accounts.revoke(name)
    emit({"name": name}, f"the token of {name} is of no use any more", json)


@operators.command("readmit")
def readmit_operator(
    name: Annotated[str, typer.Argument(help="Who, as `server operators list` has it.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Let somebody whom you revoked log in by the provider again.

    Example: proxyset server operators readmit oidc:ann@hospital.example
    """
    State.open(state, create=False).accounts.readmit(name)
    emit({"name": name}, f"{name} may log in by the provider again", json)
