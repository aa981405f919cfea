"""What a person is asked before the debit, on a real pseudo-terminal and without one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections import Counter

import pytest

from proxyset.cli.confirm import confirming
from proxyset.client.private_data import Tally
from proxyset.errors import InvalidData

GOOD, NONE = Tally(5, 5), Tally(0, 0)
SOME = Tally(9, 6, Counter({"no person": 1, "'age' holds no number": 2}), {"no person": "row 3"})


def test_nobody_is_asked_when_every_record_votes(capsys):
    assert confirming(strict=False)(GOOD) and confirming(strict=True)(GOOD)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("tally", [SOME, NONE])
def test_without_a_terminal_it_warns_and_goes_on(tally, capsys):
    assert confirming(strict=False)(tally)
    assert "warning: answered all the same" in capsys.readouterr().err


@pytest.mark.parametrize("tally", [SOME, NONE])
def test_strict_stops(tally):
    with pytest.raises(InvalidData, match="Nothing was debited"):
        confirming(strict=True)(tally)


def test_reasons_in_words():
    assert SOME.words() == [
        "6 of 9 records would vote.",
        "  2 without a vote: 'age' holds no number",
        "  1 without a vote: no person (such as 'row 3')",
    ]
    many = Tally(40, 0, Counter(f"reason {number:02d}" for number in range(25)))
    assert len(many.words()) == 12 and many.words()[-1] == "  and 15 other reasons"


PROGRAM = """
from proxyset.cli.confirm import confirming
from tests.cli.test_confirm import SOME
print("went on" if confirming(strict=False)(SOME) else "stopped")
"""


@pytest.mark.parametrize(("said", "then"), [("y", "went on"), ("n", "stopped"), ("", "stopped")])
def test_on_a_terminal_a_person_decides(said, then):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, f"{said}\n".encode())
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    words = seen.decode()
    assert "Answer all the same?" in words and "your silence tells" in words
    assert words.strip().endswith(then)
