"""The report: complete in itself, escaped, true to the ledger; the commands in it work as they stand."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from proxyset.agent import inbox
from proxyset.agent.history import history
from proxyset.agent.report import render, surer
from proxyset.client.answer import answer
from proxyset.client.decisions import approve, refuse
from proxyset.client.labeling import answer_questions
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key
from proxyset.errors import LedgerError
from proxyset.wire.probe import Probe
from proxyset.wire.questions import LabelRelease
from proxyset.wire.release import Release
from tests.client.asking import make_questions, make_records
from tests.client.conftest import make_probe
from tests.e2e.worlds import HOSTILE, picture_index, table_probe

POLICY = (
    f'unit = "record"\nencoders = "any"\nmost_questions = 50\n[cap]\nepsilon = 5\ndelta = 1e-5\n# {HOSTILE}\n'
)


@pytest.fixture
def world(tmp_path):
    """A ledger, in a folder whose name needs quoting, with two answers, labels, a refusal and a question that waits."""
    (tmp_path / "it's mine").mkdir()
    ledger = Ledger.open(tmp_path / "it's mine" / "ledger $HOME.sqlite", cap=Cap(6))
    make_key(ledger)
    adopt(ledger, POLICY.encode())
    X, labels = make_records()
    table = table_probe(tmp_path / "public", clusters=6, purpose=HOSTILE)
    inbox.put(ledger, table.data, "registry")
    refuse(ledger, table.fingerprint, "registry", f"no {HOSTILE}")
    kept, gone = make_probe(d=2, purpose="first"), make_probe(d=2, seed=5)
    inbox.put(ledger, kept.data, "cloud")
    approve(ledger, kept.fingerprint, "cloud", answer_terms(0.5))
    for probe, epsilon in ((kept, 0.5), (gone, 0.25)):
        answer(probe, X, epsilon=epsilon, ledger=ledger, server="cloud", dataset="ward 3")
    asked = make_questions(purpose="to sort")
    answer_questions(asked, X, labels, epsilon=1, ledger=ledger, server="studio", dataset="ward 3")
    return ledger, gone, asked


def answer_terms(epsilon):
    from proxyset.client.calibration import privacy_statement

    return privacy_statement(epsilon)


class Seen(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_it_says_what_left_byte_for_byte(world):
    ledger, *_ = world
    seen = Seen(render(ledger).html)
    sent = history(ledger)
    assert len(sent) == 3
    for one in sent:
        values = one.release.counts if isinstance(one.release, Release) else one.release.labels
        assert " ".join(str(value).replace("-", "−") for value in values) in seen.text
        assert sha256(one.data).hexdigest() in seen.text
    links = [a["href"] for tag, a in seen.tags if tag == "a" and "download" in a]
    saved = {base64.b64decode(link.partition("base64,")[2]) for link in links}
    assert saved == {one.data for one in sent}


def test_it_says_what_was_asked_decided_and_in_force(world):
    ledger, gone, asked = world
    text = Seen(render(ledger).html).text
    for words in (HOSTILE, f"no {HOSTILE}", "temperature", "diagnosis", POLICY.strip(), "registry", "ward 3"):
        assert words in text
    assert "kept no more" in text  # the second probe and the questions never were in the inbox
    told = Seen(render(ledger, [gone, asked]).html).text
    assert "kept no more" not in told and "to sort" in told


def test_nothing_is_loaded_run_or_sent(world):
    page = render(world[0])
    tags = Seen(page.html).tags
    assert {tag for tag, _ in tags}.isdisjoint(
        {"script", "iframe", "object", "embed", "link", "form", "base", "video"}
    )
    assert not any(name.startswith("on") or name == "style" for _, a in tags for name in a)
    for tag, attributes in tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert "url(" not in page.html and "@import" not in page.html
    (security,) = [a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert security == page.security and "unsafe" not in security and "default-src 'none'" in security
    (style,) = re.findall(r"<style>(.*?)</style>", page.html, re.DOTALL)
    assert f"'sha256-{base64.b64encode(sha256(style.encode()).digest()).decode()}'" in security


def test_pictures_that_were_shown_are_inside(tmp_path):
    ledger = Ledger.open(tmp_path / "ledger")
    index = picture_index(tmp_path, each=6, clusters=4, hostile=True)
    inbox.put(ledger, index.probe().data, "cloud")
    sources = [a["src"] for tag, a in Seen(render(ledger).html).tags if tag == "img"]
    assert len(sources) == 4 and all(source.startswith("data:image/png;base64,") for source in sources)


def test_an_empty_ledger(tmp_path):
    text = Seen(render(Ledger.open(tmp_path / "ledger")).html).text
    assert "Nothing has left." in text and "Nothing was asked." in text


def test_no_report_of_a_ledger_that_was_changed(world):
    import sqlite3

    ledger = world[0]
    with sqlite3.connect(ledger.path) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in tables:
            db.execute(f"DROP TRIGGER IF EXISTS {name}_no_update")
        columns = {name: [c[1] for c in db.execute(f"PRAGMA table_info({name})")] for name in tables}
        (table,) = [name for name in tables if "seq" in columns[name] and "rho" in columns[name]] or [
            tables[0]
        ]
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute(f"DELETE FROM {table} WHERE seq = 2")
    with pytest.raises(LedgerError):
        render(Ledger(ledger.path))


def test_how_much_surer():
    assert [surer(epsilon) for epsilon in (0, 0.58, 2)] == ["1", "1.77", "6.95"]


def test_the_commands_work_as_they_stand(world, tmp_path):
    """Copied out of the page into a shell, in an empty folder; and what they print is what the report says."""
    ledger = world[0]
    page = render(ledger).html
    found = re.findall(r"<dt><code>((?:proxyset|sha256sum) .*?)</code></dt>", page)
    assert len(found) == 5
    here = tmp_path / "empty"
    here.mkdir()
    program = tmp_path / "bin" / "proxyset"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -W ignore -c "from proxyset.cli import main; main()" "$@"\n'
    )
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    said = ""
    for command in found:
        run = subprocess.run(
            ["bash", "-c", unescape(command)],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert run.returncode == 0, (command, run.stderr)
        said += run.stdout
    for one in history(ledger):
        assert one.release.receipt
        assert sha256(one.data).hexdigest() in said and sha256(one.data).hexdigest() in page
    # labels are recognised as such, without the questions
    (labels,) = [one for one in history(ledger) if isinstance(one.release, LabelRelease)]
    file = here / "answers" / f"{labels.entry.seq:08d}.safetensors"
    run = subprocess.run(
        [program, "client", "verify", file], env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0 and "12 noisy labels" in run.stdout, run.stderr


def test_the_command(command, world, tmp_path):
    ledger, gone, _ = world
    (tmp_path / "gone").write_bytes(gone.data)
    out = tmp_path / "new" / "report.html"
    arguments = ("client", "report", ledger.path, "--out", out, "--question", tmp_path / "gone", "--json")
    status, facts, _ = command(*arguments)
    assert (status, facts["bytes"]) == (0, out.stat().st_size)
    assert gone.fingerprint in out.read_text()
    assert command("client", "report", tmp_path / "none", "--out", out)[0] == 1


def test_counts_that_the_policy_keeps_back_are_not_shown(tmp_path):
    from proxyset.errors import Refused

    ledger = Ledger.open(tmp_path / "ledger", cap=Cap(6))
    adopt(ledger, b'unit = "record"\nencoders = "any"\nfewest_records = 1000000\n')
    probe: Probe = make_probe()
    with pytest.raises(Refused):
        answer(probe, np.ones((9, 3), np.float32), epsilon=0.5, ledger=ledger, dataset="ward 3")
    page = render(ledger).html
    assert "kept back" in page and "download=" not in page and 'class="numbers"' not in page
