"""What strangers write, on a terminal, in a log and on a page."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.cli.output import emit, note, warn_private
from proxyset.errors import ArtifactError, DiskFull, MissingExtra, ProxysetError, TransportError
from proxyset.printable import printable, printable_lines, shortened

BAD = [
    *map(chr, range(32)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c",
]
BAD += [*"\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad\ud800\ue000", "\U000e0041"]


@pytest.mark.parametrize("sign", BAD, ids=ascii)
def test_what_is_escaped(sign: str) -> None:
    assert printable(f"a{sign}b").isprintable()
    assert json.loads(f'"{printable(sign)}"') == sign


def test_what_stays() -> None:
    for text in ("plain", "Ünïcödé ε ≤ 0.5", "日本語", "العربية", "हिन्दी", "👍🏽", 'C:\\x "y"'):
        assert printable(text) is text
    assert printable_lines("a\n\tb\r\n") == "a\n\tb\\r\n"


@given(st.text())
def test_json_stays_the_same_json(text: str) -> None:
    line = printable(json.dumps({"x": text}, ensure_ascii=False))
    assert line.isprintable() and json.loads(line) == {"x": text}
    assert printable(printable(text)) == printable(text)


def test_errors_are_printable_and_not_endless() -> None:
    for kind in (ProxysetError, ArtifactError, TransportError):
        assert str(kind("a\x1b[2Jb\u202e")) == "a\\u001b[2Jb\\u202e"
    assert str(MissingExtra("x\x1b", "y", "z")).isprintable()
    assert DiskFull(28, "full", "name\x1b").errno == 28
    assert len(str(ArtifactError("x" * 10_000_000))) < 4000
    assert shortened("abc", 3) == "abc"


def test_the_terminal_is_a_second_wall() -> None:
    bad = "name\x1b[2J\u202e\x9b"
    for say in (
        note,
        warn_private,
        lambda text: emit({"n": text}, text, False),
        lambda text: emit({"n": text}, text, True),
    ):
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            say(bad)
        shown = out.getvalue().rstrip("\n").removeprefix("\x1b[31m\x1b[1m").removesuffix("\x1b[0m")
        assert shown.isprintable() and "name" in shown
    assert json.loads(shown) == {"n": bad}


def test_a_page_and_a_log_show_it_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    from markupsafe import Markup

    from proxyset.page.site import Site
    from proxyset.server.logs import _line

    site = Site("proxyset.agent.page", cookie="c", is_ours=lambda host: True)
    template = site._templates.from_string("{{ x }}|{{ y }}|{{ 3 }}")
    assert template.render(x="a\u202e<\x9b\n", y=Markup("<b>\n</b>")) == "a\\u202e&lt;\\u009b\n|<b>\n</b>|3"
    assert _line({"path": "/\x9b\u202e"}) == '{"path": "/\\u009b\\u202e"}'
    assert sys.stdout is not None and capsys.readouterr().err == ""
