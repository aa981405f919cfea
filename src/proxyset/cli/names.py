"""Which command stands where, and what commands were called before.

Commands are grouped by who types them. Each names the place of its code, which is imported when it is typed: to start a command
takes half as long as to start all of them. A command that moved keeps its old name, which is in no help and does the same: the
root reads old words as new ones before anything else looks at them.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from proxyset.cli.options import here

# title → name → where it is: a function, or the Typer of a group
SECTIONS = {
    "To begin": {"demo": "demo:demo"},
    "Who builds a model, with public items": {
        "index": "index:app",
        "probe": "index:probe",
        "select": "index:select_command",
        "look": "look:look",
        "export": "index:export_command",
        "label": "label:app",
        "train": "train:train",
        "distill": "distill:distill",
        "encoder": "encoder:app",
        "model": "model:app",
    },
    "Who runs the service that asks many data owners": {
        "serve": "serve:serve",
        "campaign": "campaign:app",
        "server": "server:app",
        "helper": "helper:app",
    },
    "Who owns data": {"plan": "plan:plan", "answer": "answer:answer", "client": "client:app"},
}
_PLACES = {name: place for places in SECTIONS.values() for name, place in places.items()}

MOVED = {
    "audit": "client audit",
    "client list": "client offers",
    "client-label answer": "client label answer",
    "client-label ask": "label ask",
    "client-label collect": "label collect",
    "client-label plan": "client label plan",
    "clients": "server clients",
    "enroll-token": "server tokens",
    "ledger": "client ledger",
    "operator": "server operators",
}
# command → option as it was → as it is
RENAMED: dict[str, dict[str, str]] = {
    name: {"--rule": "--voting"} for name in ("client label plan", "client label answer", "client serve")
}


def current(words: list[str]) -> list[str]:
    """A command line in today's words. Values of options and arguments are left alone."""
    for old, new in MOVED.items():
        length = len(old.split())
        if words[:length] == old.split():
            words = [*new.split(), *words[length:]]
            break
    for command, options in RENAMED.items():
        length = len(command.split())
        if words[:length] == command.split():
            return [*words[:length], *(_option(word, options) for word in words[length:])]
    return words


def _option(word: str, options: dict[str, str]) -> str:
    name, sign, value = word.partition("=")
    return options.get(name, name) + sign + value


class Commands(TyperGroup):
    """The root: its help is grouped, it knows old names, and imports a command when it is asked for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, current(args))

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_PLACES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in _PLACES:
            return _imported(cmd_name)
        self.commands = {name: _imported(name) for name in _PLACES}  # where typer looks for a name like it
        return None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.get_command(ctx, name).get_short_help_str(60)) for name in names]
                )


@cache
def _imported(name: str) -> Any:
    module, attribute = _PLACES[name].split(":")
    command = getattr(import_module(f"proxyset.cli.{module}"), attribute)
    alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(command, typer.Typer):
        alone.add_typer(command, name=name)
    else:
        alone.command(name)(command)
    return _on_this_machine(get_group(alone).commands[name])


def _on_this_machine(command: Any) -> Any:
    """The command, every path of which refuses a URL: what may lie on object storage is given as text, and located by `place`."""
    for inner in getattr(command, "commands", {}).values():
        _on_this_machine(inner)
    for parameter in command.params:
        if parameter.type.name in ("path", "file", "directory"):
            parameter.type.convert = _refusing(parameter.type.convert)
    return command


def _refusing(convert: Any) -> Any:
    def checked(value: Any, *where: Any) -> Any:
        here(str(value))
        return convert(value, *where)

    return checked
