"""Which command stands where, and what commands were called before.

Commands are grouped by who types them. A command that moved keeps its old name, which is in no help and does the same: the root
reads old words as new ones before anything else looks at them.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

SECTIONS = {
    "To begin": ("demo",),
    "Who builds a model, with public items": (
        "index", "probe", "select", "look", "export", "label", "train", "distill", "encoder", "model",
    ),
    "Who runs the service that asks many data owners": ("serve", "campaign", "server", "helper"),
    "Who owns data": ("plan", "answer", "client"),
}  # fmt: skip

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
    """The root: its help is grouped, and it knows old names."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, current(args))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        placed = {name for names in SECTIONS.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in placed)
        for title, names in (SECTIONS | {"More": others}).items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None and not command.hidden:
                    rows.append((name, command.get_short_help_str(60)))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
