from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import check_not_rolled_back, check_receipt, issue, make_key, public_key
from proxyset.errors import LedgerError
from proxyset.fingerprint import fingerprint
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Receipt
from tests.client.conftest import make_probe


def kept(ledger: Ledger) -> list[Path]:
    return sorted(Path(f"{ledger.path}.receipts").glob("*.json"))


def test_without_a_key_there_are_no_receipts(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    release = answer(probe, X, epsilon=0.5, ledger=ledger, dataset="X")
    assert issue(ledger, release) is None
    assert kept(ledger) == []
    assert public_key(ledger) == ""


def test_every_release_gets_a_receipt(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    key = make_key(ledger)
    assert key == make_key(ledger) == public_key(ledger)
    assert Path(f"{ledger.path}.key").stat().st_mode & 0o777 == 0o600
    text = b'unit = "record"\nencoders = "any"'
    adopt(ledger, text)
    release = answer(probe, X, epsilon=0.5, ledger=ledger, server="a", dataset="X")
    (file,) = kept(ledger)
    receipt = Receipt.from_bytes(file.read_bytes(), key)
    assert receipt.covers(release)
    assert receipt.claim.server == "a"
    assert check_receipt(ledger, receipt) == fingerprint(text)
    assert receipt.claim.head == ledger.entries()[-1].hash
    assert check_not_rolled_back(ledger) == 1
    # a crash before the receipt was kept: the replay makes the same one
    before = file.read_bytes()
    file.unlink()
    answer(probe, X, epsilon=0.5, ledger=ledger, server="a", dataset="X")
    assert file.read_bytes() == before


def test_an_old_copy_of_the_ledger_is_refused(X: np.ndarray, ledger: Ledger, tmp_path: Path) -> None:
    make_key(ledger)
    answer(make_probe(seed=1), X, epsilon=0.5, ledger=ledger, dataset="X")
    shutil.copy(ledger.path, tmp_path / "backup")
    answer(make_probe(seed=2), X, epsilon=0.5, ledger=ledger, dataset="X")
    servers_copy = Receipt.from_bytes(kept(ledger)[-1].read_bytes())
    shutil.copy(tmp_path / "backup", ledger.path)
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError, match="old copy"):
        answer(make_probe(seed=3), X, epsilon=0.5, ledger=Ledger.open(ledger.path), dataset="X")
    assert ledger.path.read_bytes() == before
    # even with the receipts rolled back too, the server's copy shows it
    kept(ledger)[-1].unlink()
    assert check_not_rolled_back(Ledger.open(ledger.path)) == 1
    with pytest.raises(LedgerError, match="old copy"):
        check_receipt(Ledger.open(ledger.path), servers_copy)


def test_a_deleted_ledger_is_noticed(X: np.ndarray, ledger: Ledger) -> None:
    make_key(ledger)
    answer(make_probe(), X, epsilon=0.5, ledger=ledger, dataset="X")
    ledger.path.unlink()
    with pytest.raises(LedgerError, match="old copy"):
        answer(make_probe(seed=2), X, epsilon=0.5, ledger=ledger.path, dataset="X")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100])
def test_damaged_receipts_and_keys_stop_everything(content: bytes, X: np.ndarray, ledger: Ledger) -> None:
    make_key(ledger)
    answer(make_probe(), X, epsilon=0.5, ledger=ledger, dataset="X")
    before = ledger.entries()
    file = kept(ledger)[0]
    whole = file.read_bytes()
    file.write_bytes(content)
    with pytest.raises(LedgerError, match="cannot be trusted"):
        answer(make_probe(seed=2), X, epsilon=0.5, ledger=ledger, dataset="X")
    file.write_bytes(whole)
    Path(f"{ledger.path}.key").write_bytes(content)
    with pytest.raises(LedgerError, match="key of"):
        answer(make_probe(seed=2), X, epsilon=0.5, ledger=ledger, dataset="X")
    assert ledger.entries() == before


def test_the_commands(command, X: np.ndarray, ledger: Ledger, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    status, facts, _ = command("ledger", "key", ledger.path, "--json")
    assert status == 0
    release = answer(make_probe(), X, epsilon=0.5, ledger=ledger, dataset="X")
    (tmp_path / "r").write_bytes(release.to_bytes())
    (tmp_path / "other").write_bytes(
        answer(make_probe(seed=2), X, epsilon=0.5, ledger=ledger, dataset="X").to_bytes()
    )
    file = kept(ledger)[0]
    options = ("--ledger", ledger.path, "--key", facts["key"], "--json")
    assert command("ledger", "receipt", file, "--release", tmp_path / "r", *options)[0] == 0
    assert command("ledger", "receipt", file, "--release", tmp_path / "other", *options)[0] == 1
    assert command("ledger", "receipt", file, "--key", "0" * 64)[0] == 1
    assert command("ledger", "verify", ledger.path, "--json")[1]["receipts"] == 2


def test_nothing_that_can_be_guessed_is_hashed_bare(probe: Probe, X: np.ndarray, tmp_path: Path) -> None:
    """Two owners with the same policy and data answer the same probe: their receipts share no hash that a server could try."""
    claims = []
    for name in ("one", "two"):
        ledger = Ledger.open(tmp_path / name)
        make_key(ledger)
        adopt(ledger, b'unit = "record"\nencoders = "any"')
        release = answer(probe, X, epsilon=0.5, ledger=ledger, server="a", dataset="X")
        receipt = Receipt.of(release, public_key(ledger))
        assert receipt is not None
        claims.append(receipt.claim)
        (stored,) = (entry for entry in ledger.entries() if entry.hash == receipt.claim.head)
        assert len(bytes.fromhex(stored.nonce)) == 32
        assert replace(stored, nonce="00" * 32).sealed().hash != stored.hash  # it is part of what is hashed
    assert claims[0].policy != claims[1].policy
    assert claims[0].head != claims[1].head


def test_a_link_to_a_ledger_is_that_ledger(probe: Probe, X: np.ndarray, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "real.sqlite")
    key = make_key(ledger)
    answer(probe, X, epsilon=0.5, ledger=ledger, dataset="X")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.sqlite").symlink_to(tmp_path / "real.sqlite")
    linked = Ledger.open(tmp_path / "elsewhere" / "link.sqlite")
    assert (public_key(linked), check_not_rolled_back(linked)) == (key, 1)
