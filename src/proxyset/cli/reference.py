"""docs/cli.md, generated from the commands themselves: python -m proxyset.cli.reference [--check]."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from proxyset.cli import app

_PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
_INTRODUCTION = """# The command line

Generated from the commands; do not edit. Every command takes `--help`. `--json` prints one machine-readable line on
standard output, logs go to standard error, `--debug` shows a traceback when something fails. Exit status: 0 done,
1 failed, 2 wrong usage, 3 refused by the client's policy or budget; 130 after Ctrl-C, 143 after SIGTERM. A result that standard
output does not take is a failure (1), though what was done stays done; letters that it cannot show are written as JSON escapes.
"""


def reference() -> str:
    """The whole page."""
    return _INTRODUCTION + sections("proxyset", app)


def sections(name: str, commands: typer.Typer) -> str:
    """A section for each command that is not hidden."""
    return "".join(f"\n{section}" for section in _sections(name, get_command(commands)))


def _sections(name: str, command: Any) -> Iterator[str]:
    if hasattr(command, "commands"):
        for child in command.commands.values():
            yield from _sections(f"{name} {child.name}", child)
        return
    if command.hidden:
        return
    words = [f"## {name}", "", *_paragraphs(command.help or ""), ""]
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    if rows:
        words += ["| option | meaning | default |", "|---|---|---|", *rows, ""]
    yield "\n".join(words)


def _paragraphs(text: str) -> list[str]:
    lines = [line.strip() for line in text.strip().splitlines()]
    return [
        f"    {line.removeprefix('Example: ')}" if line.startswith("Example: ") else line for line in lines
    ]


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.name.upper()
    else:
        name = ", ".join([*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    if parameter.required:
        shown = "required"
    elif (
        default is None
        or default is False
        or default == ()
        or callable(default)
        or getattr(parameter, "show_default", True) is False
    ):
        shown = ""
    else:
        shown = f"`{getattr(default, 'value', default)}`"
    return f"| `{name}` | {(parameter.help or '').replace('|', chr(92) + '|')} | {shown} |"


if __name__ == "__main__":
    _PAGE.write_text(reference(), encoding="utf-8")
    sys.stderr.write(f"wrote {_PAGE}\n")
