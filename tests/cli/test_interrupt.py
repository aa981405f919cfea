from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from proxyset.cli import run
from proxyset.console import INTERRUPTED


def test_ctrl_c_is_told_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "receipt.json")  # nobody writes to it: the command waits
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us without
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert run(["ledger", "receipt", str(tmp_path / "receipt.json")]) == INTERRUPTED == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.split() == ["error:", "stopped"]
