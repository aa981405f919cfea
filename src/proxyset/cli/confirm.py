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

_REASONS = 10  # in words

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
        if tally.votes and not tally.no_vote:
            for line in _passed_over(tally):
                note(line)
            return True
        found = "\n".join(in_words(tally))
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


def in_words(tally: Tally) -> list[str]:
    """How many records vote, and why the others do not, the most frequent reason first."""
    if not tally.total:
        return ["There are no records: the answer would be noise alone.", *_passed_over(tally)]
    lines = [f"{tally.votes:,} of {tally.total:,} records would vote."]
    reasons = sorted(tally.no_vote.items(), key=lambda reason: (-reason[1], reason[0]))
    lines += [
        f"  {number:,} without a vote: {reason} (such as {tally.examples[reason]!r})"
        if reason in tally.examples
        else f"  {number:,} without a vote: {reason}"
        for reason, number in reasons[:_REASONS]
    ]
    if len(reasons) > _REASONS:
        lines.append(f"  and {len(reasons) - _REASONS:,} other reasons")
    return lines + _passed_over(tally)


def _passed_over(tally: Tally) -> list[str]:
    return [
        f"Passed over, not being of a form that is read here: {count:,} {what}"
        for what, count in tally.passed_over.items()
    ]
