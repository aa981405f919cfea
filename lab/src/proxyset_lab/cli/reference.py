"""docs/cli.md and lab/README.md, generated from the commands themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from proxyset import atomic
from proxyset.cli import app as proxyset
from proxyset.cli.names import MOVED, RENAMED, SECTIONS
from proxyset.cli.output import note

_ROOT = Path(__file__).parents[4]
_OF_PROXYSET = """# The command line

Generated from the commands; do not edit. Every command takes `--help`. `--json` prints one machine-readable line on
standard output, logs go to standard error, `--debug` shows a traceback when something fails. Exit status: 0 done,
1 failed, 2 wrong usage, 3 refused by the client's policy or budget; 130 after Ctrl-C, 143 after SIGTERM. A result that standard
output does not take is a failure (1), though what was done stays done; letters that it cannot show are written as JSON escapes.
"""
_OF_THE_LAB = """# The lab

What proxyset's figures were measured with: the benchmark and its data sets, the alternatives and rivals it is compared with,
fleets, speed, and the server under load. It is a package of its own, so that the wheel holds what users run; the package
imports proxyset, never the other way round.

From a checkout, `make` installs it into `.venv` beside proxyset; by hand that is `pip install -e . -e lab`. Experiments are TOML
files in `lab/benchmarks`, their results go to `bench-results`, their reports to `docs/results`.

What follows is generated from the commands (`proxyset-lab reference`); do not edit.
"""

_SHARED = 4  # commands that take the same option: then it is explained once


def proxyset_page() -> str:
    """docs/cli.md."""
    return _OF_PROXYSET + _map() + sections("proxyset", proxyset) + _old_names()


def lab_page() -> str:
    """lab/README.md."""
    from proxyset_lab.cli import app

    return _OF_THE_LAB + sections("proxyset-lab", app)


def reference(
    count: Annotated[
        bool, typer.Option("--count", help="Write nothing; say how many commands and options proxyset has.")
    ] = False,
) -> None:
    """Write docs/cli.md and lab/README.md anew.

    Example: proxyset-lab reference
    """
    if count:
        for what, number in counts().items():
            note(f"{number:>4} {what}")
        return
    for place, text in (("docs/cli.md", proxyset_page()), ("lab/README.md", lab_page())):
        atomic.write_bytes(_ROOT / place, text.encode())
        note(f"wrote {place}")


def sections(name: str, commands: typer.Typer) -> str:
    """What is shared, and a section for each command that is not hidden."""
    found = list(_visible(name, get_command(commands)))
    shared = {row: place for row, place in _places(found).items() if place >= _SHARED}
    table = ""
    if shared:
        rows = "\n".join(sorted(shared, key=lambda row: (not row.startswith("| `--"), row)))
        table = (
            f"\n## Shared options\n\nThese mean the same wherever they are named below.\n\n{_HEAD}\n{rows}\n"
        )
    return table + "".join(f"\n{_section(path, command, shared)}" for path, command in found)


def counts(commands: typer.Typer = proxyset) -> dict[str, int]:
    """How much there is to learn: entries of the first help page, commands, options and arguments of all commands together, and
    those that differ by name, meaning or default."""
    root = get_command(commands)
    found = list(_visible("proxyset", root))
    rows = [_row(parameter) for _, command in found for parameter in _parameters(command)]
    return {
        "first page": sum(not child.hidden for child in children(root)),
        "commands": len(found),
        "options": len(rows),
        "distinct options": len(set(rows)),
    }


def children(group: Any) -> list[Any]:
    """The commands of a group, in the order of its help; none of a command."""
    return [group.get_command(None, name) for name in getattr(group, "list_commands", lambda _: [])(None)]


def _visible(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if command.hidden:
        return
    if hasattr(command, "commands"):
        for child in children(command):
            yield from _visible(f"{name} {child.name}", child)
    else:
        yield name, command


def _places(found: list[tuple[str, Any]]) -> Counter[str]:
    return Counter(_row(parameter) for _, command in found for parameter in _parameters(command))


def _parameters(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]


_HEAD = "| option | meaning | default |\n|---|---|---|"


def _section(name: str, command: Any, shared: dict[str, int]) -> str:
    words = [f"## {name}", "", *_paragraphs(command.help or ""), ""]
    rows = [_row(parameter) for parameter in _parameters(command)]
    own = [row for row in rows if row not in shared]
    also = ", ".join(row.split(" | ")[0].removeprefix("| ") for row in rows if row in shared)
    if own:
        words += [_HEAD, *own, ""]
    if also:
        words += [f"{'Also' if own else 'It takes'} {also}: [shared](#shared-options).", ""]
    return "\n".join(words)


def _map() -> str:
    root: Any = get_command(proxyset)
    lines = ["", "| typed by | commands |", "|---|---|"]
    for title, names in SECTIONS.items():
        entries = []
        for name in names:
            below = ", ".join(child.name for child in children(root.get_command(None, name)))
            entries.append(f"`{name}`" + (f" ({below})" if below else ""))
        lines.append(f"| {title} | {', '.join(entries)} |")
    lines.append("| Who measures | `proxyset-lab`, the benchmark, on its own: `lab/README.md` |")
    return "\n".join(lines) + "\n"


def _old_names() -> str:
    rows = [f"| `proxyset {old}` | `proxyset {new}` |" for old, new in MOVED.items()]
    rows += [
        f"| `proxyset {command} {old}` | `proxyset {command} {new}` |"
        for command, options in RENAMED.items()
        for old, new in options.items()
    ]
    return (
        "\n## Names from before\n\nThey are in no help, and do the same: what was written down goes on working.\n\n"
        "| as it was | as it is |\n|---|---|\n" + "\n".join(rows) + "\n"
    )


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
