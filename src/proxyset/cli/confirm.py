"""Before the debit, where a person answers by hand: what would get no vote, and whether to go on.

What a person decides here is the person's: an answer that stays out because of what the records are tells whoever asked something
that no noise covers. The agent and the owner's page never stop for a record.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from proxyset.cli.output import note
from proxyset.client.private_data import Tally
from proxyset.errors import InvalidData

Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop before the debit, without asking, when a record would get no vote or there is none. If you answer otherwise, "
        "whoever asked can tell from your silence that there was such a record: no noise covers that.",
    ),
]


def confirming(strict: bool) -> Callable[[Tally], bool]:
    """What `answer` calls before the debit.

    It goes on at once when every record votes. Otherwise, with `strict` it stops with an error; on a terminal it asks; without
    one it warns and goes on.

    Returns:
        A function from the tally to whether to go on. It raises InvalidData when strict.
    """

    def confirm(tally: Tally) -> bool:
        if tally.whole:
            for line in tally.beside():
                note(line)
            return True
        found = "\n".join(tally.words())
        if strict:
            raise InvalidData(f"{found}\nNothing was debited, nothing sent (--strict)")
        note(found)
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            note(
                "warning: answered all the same; see it first with proxyset client check, or stop with --strict"
            )
            return True
        note(
            "If you do not answer now, and would have otherwise, your silence tells whoever asked that this is so."
        )
        return typer.confirm("Answer all the same?", default=False, err=True)

    return confirm
