from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client import ledger_file
from proxyset.client.calibration import privacy_statement
from proxyset.client.chain import Entry
from proxyset.client.ledger import Cap, Ledger, default_path
from proxyset.errors import BudgetExceeded, InvalidInput, LedgerError
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.release import Release

ONE = privacy_statement(0.58)


def pay(ledger: Ledger, number: int = 0, server: str = "", dataset: str = "d") -> Entry:
    return ledger.debit(ONE, probe=f"{number:064x}", dataset=dataset, server=server)


def answered(ledger: Ledger, number: int = 0, server: str = "") -> Release:
    debit = pay(ledger, number, server)
    release = Release(np.arange(3), debit.probe, "b" * 64, ONE)
    ledger.store(debit, release)
    return release


def tamper(path: Path, statement: str) -> None:
    """As somebody who can write the file would: without the triggers."""
    with sqlite3.connect(path) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
    db.close()


def test_a_new_ledger_has_the_default_cap(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "deep" / "ledger.sqlite")
    (first,) = ledger.entries()
    assert (first.kind, first.epsilon, first.delta) == ("cap", 10.0, 1e-5)
    assert zcdp_epsilon(first.rho or 0, 1e-5) <= 10
    assert ledger.remaining() == ledger.cap_rho() == first.rho
    assert ledger.path.stat().st_mode & 0o777 == 0o600


def test_the_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PROXYSET_LEDGER", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "proxyset" / "ledger.sqlite"
    monkeypatch.setenv("PROXYSET_LEDGER", str(tmp_path / "mine"))
    assert Ledger.open().path == tmp_path / "mine"


def test_debits_add_up_across_reopening(ledger: Ledger) -> None:
    for number in range(3):
        pay(ledger, number)
    again = Ledger.open(ledger.path, cap=Cap(1))  # an old ledger keeps its own cap
    assert again.spent() == pytest.approx(3 * ONE.rho)
    assert again.remaining() == pytest.approx(Cap(100).rho - 3 * ONE.rho)
    assert [e.kind for e in again.entries()] == ["cap", "debit", "debit", "debit"]
    assert again.entries()[1].statement == ONE
    assert again.account().debits == 3


def test_a_release_comes_back_bit_for_bit(ledger: Ledger) -> None:
    release = answered(ledger, 7)
    found = Ledger.open(ledger.path).stored(release.probe, "d", release.privacy)
    assert found is not None
    assert found.to_bytes() == release.to_bytes()
    assert ledger.stored(release.probe, "other", release.privacy) is None
    assert ledger.stored("c" * 64, "d", release.privacy) is None
    assert ledger.verify().kind == "release"


def test_one_debit_pays_for_one_release(ledger: Ledger) -> None:
    debit = pay(ledger)
    release = Release(np.arange(3), debit.probe, "b" * 64, ONE)
    ledger.store(debit, release)
    with pytest.raises(LedgerError, match="already paid"):
        ledger.store(debit, release)


@given(
    costs=st.lists(st.sampled_from([0.3, 0.58, 1.0, 2.0, 4.0]), min_size=1, max_size=25),
    cap=st.floats(0.5, 8),
)
@settings(max_examples=25, deadline=None)
def test_never_past_the_cap(tmp_path_factory: pytest.TempPathFactory, costs: list[float], cap: float) -> None:
    ledger = Ledger.open(tmp_path_factory.mktemp("l") / "ledger.sqlite", cap=Cap(cap))
    limit = ledger.cap_rho() or 0.0
    for number, epsilon in enumerate(costs):
        statement = privacy_statement(epsilon)
        alone = not ledger.spent() and epsilon <= cap
        fits = alone or math.fsum((ledger.spent(), statement.rho)) <= limit
        before = len(ledger.entries())
        try:
            ledger.debit(statement, probe=f"{number:064x}", dataset="d")
            assert fits
        except BudgetExceeded:
            assert not fits
            assert len(ledger.entries()) == before
        assert ledger.spent() <= limit or ledger.account().debits == 1
    ledger.verify()


def test_a_first_answer_may_use_the_cap_up(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "l", cap=Cap(1.0))
    with pytest.raises(BudgetExceeded):
        ledger.debit(privacy_statement(1.01), probe="0" * 64, dataset="d")
    with pytest.raises(BudgetExceeded):
        ledger.debit(privacy_statement(1.0, 1e-4), probe="0" * 64, dataset="d")
    ledger.debit(privacy_statement(1.0), probe="0" * 64, dataset="d")
    assert ledger.remaining() == 0
    with pytest.raises(BudgetExceeded):
        ledger.debit(privacy_statement(0.001), probe="1" * 64, dataset="d")
    ledger.verify()


def test_caps_of_servers(ledger: Ledger) -> None:
    ledger.set_cap(Cap(0.7), server="a", note="trust is limited")
    pay(ledger, 1, "a")
    with pytest.raises(BudgetExceeded, match="server 'a'"):
        pay(ledger, 2, "a")
    pay(ledger, 3, "b")
    assert ledger.remaining("a") < ONE.rho < ledger.remaining("b")
    assert ledger.spent("a") == ONE.rho
    ledger.set_cap(Cap(0.8), server="b")
    ledger.set_cap(Cap(0.5), note="all")
    with pytest.raises(BudgetExceeded, match="this ledger"):
        pay(ledger, 4, "c")
    assert [e.note for e in ledger.entries() if e.kind == "cap"][1:] == ["trust is limited", "", "all"]
    ledger.verify()  # a cap lowered below what is spent breaks nothing


def test_impossible_caps(tmp_path: Path, ledger: Ledger) -> None:
    for epsilon in (0, -1, math.nan, math.inf):
        with pytest.raises(InvalidInput):
            ledger.set_cap(Cap(epsilon))
        with pytest.raises(InvalidInput):
            Ledger.open(tmp_path / "new", cap=Cap(epsilon))
    assert not (tmp_path / "new").exists()


def test_the_file_refuses_changes(ledger: Ledger) -> None:
    answered(ledger)
    for statement in (
        "UPDATE entries SET rho = 0",
        "DELETE FROM entries",
        "INSERT OR REPLACE INTO entries SELECT * FROM entries WHERE seq = 2",
        "UPDATE blobs SET data = x'00'",
        "DELETE FROM blobs",
        "REPLACE INTO blobs SELECT seq, x'00' FROM blobs",
    ):
        with sqlite3.connect(ledger.path) as db, pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
        db.close()
    ledger.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET rho = 0.0001 WHERE seq = 2",
        "UPDATE entries SET time = '2020-01-01' WHERE seq = 2",
        "UPDATE entries SET kind = 'policy' WHERE seq = 2",
        "UPDATE entries SET rho = NULL WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 1",
        "DELETE FROM entries",
        "UPDATE entries SET seq = 99 WHERE seq = 2",
    ],
)
def test_tampering_is_found_and_nothing_is_debited(ledger: Ledger, statement: str) -> None:
    answered(ledger, 1)
    answered(ledger, 2)
    tamper(ledger.path, statement)
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError):
        Ledger.open(ledger.path)
    with pytest.raises(LedgerError):
        pay(Ledger(ledger.path), 3)
    assert ledger.path.read_bytes() == before


@pytest.mark.parametrize("statement", ["UPDATE blobs SET data = x'00'", "DELETE FROM blobs"])
def test_a_changed_release_is_found(ledger: Ledger, statement: str) -> None:
    release = answered(ledger)
    tamper(ledger.path, statement)
    with pytest.raises(LedgerError, match="missing or was changed"):
        ledger.stored(release.probe, "d", release.privacy)
    with pytest.raises(LedgerError, match="missing or was changed"):
        ledger.verify()


def test_verify_finds_a_well_chained_forgery(ledger: Ledger) -> None:
    """Somebody recomputes all hashes: a debit past the cap and an unpaid release are still visible."""
    pay(ledger, 1)
    last = ledger.entries()[-1]
    forged = Entry(
        **{**last.__dict__, "seq": last.seq + 1, "prev": last.hash, "rho": 1e6, "hash": ""}
    ).sealed()
    with sqlite3.connect(ledger.path) as db:
        db.execute(
            f"INSERT INTO entries VALUES ({', '.join('?' * len(forged.__dict__))})",
            tuple(forged.__dict__.values()),
        )
    db.close()
    with pytest.raises(BudgetExceeded):
        ledger.verify()


def test_a_ledger_replaced_while_in_use_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    shutil.copy(ledger.path, tmp_path / "old")
    pay(ledger)
    shutil.copy(tmp_path / "old", ledger.path)
    with pytest.raises(LedgerError, match="replaced"):
        pay(ledger)


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + b"\0" * 4000, os.urandom(5000)])
def test_files_that_are_no_ledger(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(LedgerError):
        Ledger.open(path)
    assert path.read_bytes() == content


def test_another_database_and_another_version(tmp_path: Path, ledger: Ledger) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    with pytest.raises(LedgerError, match="not a proxyset client ledger"):
        Ledger.open(path)
    with sqlite3.connect(ledger.path) as db:
        db.execute("PRAGMA user_version = 4")
    db.close()
    with pytest.raises(LedgerError, match="schema 4"):
        Ledger.open(ledger.path)


@pytest.mark.parametrize("version", [1, 2])
def test_a_ledger_of_an_older_schema_is_read_and_brought_up(tmp_path: Path, version: int) -> None:
    """As it was written before entries had nonces (1) and grids (2): same entries, same hashes, and new debits beside them."""
    path, there = (
        tmp_path / "old.sqlite",
        [name for name in ledger_file._COLUMNS.split(", ") if name != "grid"],
    )
    cap = Entry(
        1, "2026-01-01T00:00:00.000+00:00", "cap", rho=1.0, epsilon=5.0, delta=1e-5, nonce="ab" * 32
    ).sealed()
    if version == 1:
        there.remove("nonce")
        cap = replace(cap, nonce="").sealed()
    with sqlite3.connect(path) as db:
        db.executescript(
            f"PRAGMA application_id = {ledger_file.APPLICATION_ID}; PRAGMA user_version = {version};"
            + ledger_file._SCHEMA.replace(", grid INTEGER", "").replace(
                ", nonce TEXT" if version == 1 else "no such words", ""
            )
        )
        marks = ", ".join("?" * len(there))
        db.execute(
            f"INSERT INTO entries ({', '.join(there)}) VALUES ({marks})",
            [getattr(cap, name) for name in there],
        )
    db.close()
    book = Ledger.open(path)
    assert book.entries() == [cap]
    statement = privacy_statement(0.5, unit="person", adjacency="replace-one", max_records=10)
    paid = book.debit(statement, probe="1" * 64, dataset="d")
    assert (paid.grid, paid.statement) == (256, statement)
    again = Ledger.open(path)
    assert again.entries()[0] == cap and again.entries()[-1] == paid and again.verify() == paid
    assert [entry.kind for entry in again.entries()[1:-1]] == ["schema"] * (version == 1)
    assert book.debit(ONE, probe="2" * 64, dataset="d").grid is None


def test_a_grid_is_part_of_what_is_hashed(ledger: Ledger) -> None:
    paid = ledger.debit(privacy_statement(0.5, unit="person", max_records=3), probe="1" * 64, dataset="d")
    for other in (None, 128):
        assert replace(paid, grid=other).sealed().hash != paid.hash


def test_damage_anywhere_debits_nothing(ledger: Ledger) -> None:
    """Each 512-byte stretch of the file in turn is overwritten: either an error, or the content is still right."""
    for number in range(20):
        pay(ledger, number)
    whole, expected = ledger.path.read_bytes(), ledger.entries()
    for start in range(0, len(whole), 512):
        ledger.path.write_bytes(whole[:start] + b"\xa5" * 512 + whole[start + 512 :])
        try:
            assert Ledger.open(ledger.path).entries() == expected
        except LedgerError:
            continue


def test_a_truncated_file_is_refused(ledger: Ledger) -> None:
    for number in range(20):
        pay(ledger, number)
    whole = ledger.path.read_bytes()
    for size in (0, 100, 4096, len(whole) // 2, len(whole) - 4096):
        ledger.path.write_bytes(whole[:size])
        with pytest.raises(LedgerError):
            pay(Ledger.open(ledger.path))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        Ledger.open(tmp_path / "none", create=False)
    with pytest.raises(LedgerError):
        Ledger.open(Path("/proc/none/ledger"))


def test_export_is_what_is_hashed(ledger: Ledger) -> None:
    answered(ledger)
    lines = ledger.export_jsonl().splitlines()
    entries = [Entry(**json.loads(line)) for line in lines]
    assert entries == ledger.entries()
    assert all(entry.sealed().hash == entry.hash for entry in entries)


def test_mixed_units_are_said(ledger: Ledger) -> None:
    pay(ledger)
    ledger.debit(privacy_statement(0.5, 1e-5, "person", "replace-one", 3), probe="1" * 64, dataset="d")
    assert len(ledger.account().weakest) == 2


LIMITED = """
import resource, sys
from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Ledger
from proxyset.errors import LedgerError
ledger = Ledger.open(sys.argv[1])
size = ledger.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[2]),) * 2)
statement = privacy_statement(0.58)
done = 0
try:
    for number in range(1000):
        ledger.debit(statement, probe=f"{number:064x}", dataset="d" * 500)
        done += 1
except LedgerError as error:
    print(done, error)
"""


@pytest.mark.parametrize("room", [0, 1000, 5000, 20_000])
def test_a_full_disk_debits_nothing_more(ledger: Ledger, room: int) -> None:
    """The file may not grow: what was confirmed is there, what failed is not, and the chain holds."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(ledger.path), str(room)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "could not be written" in run.stdout
    assert len(Ledger.open(ledger.path).entries()) == 1 + int(run.stdout.split()[0])
    ledger.verify()


READ_ONLY = """
import os, sys
from pathlib import Path
from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Ledger
from proxyset.errors import LedgerError
from proxyset.wire.privacy_loss import zcdp_epsilon
ledger, statement = Ledger(Path(sys.argv[1])), privacy_statement(0.58)
if os.getuid() == 0:
    os.setuid(65534)  # root may write everywhere
print(len(ledger.entries()))
for step in (lambda: ledger.debit(statement, probe="0" * 64, dataset="d"), ledger.exclusive().__enter__):
    try:
        step()
    except LedgerError as error:
        print("refused", error)
"""


def test_a_read_only_ledger_can_be_read_and_not_debited() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which only its owner may enter
        ledger = Ledger.open(Path(folder) / "ledger.sqlite")
        pay(ledger)
        ledger.path.chmod(0o444)
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(ledger.path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        Path(folder).chmod(0o755)
        assert run.stdout.startswith("2\nrefused"), run.stderr
        assert run.stdout.count("refused") == 2
        assert len(Ledger.open(ledger.path).entries()) == 2
