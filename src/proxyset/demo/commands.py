"""Runs the real command line, one process a command, as a user would type it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from proxyset.errors import ProxysetError

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_LAUNCH = (sys.executable, "-m", "proxyset")


class Commands:
    """Commands in one folder.

    Args:
        folder: their working folder; paths in their arguments are relative to it.

    Attributes:
        typed: what was run so far, in order, as a user would type it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # several exchanges run side by side: one thread each is faster than all competing for the cores
        self._environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.typed: list[str] = []

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a command to its end and return its JSON line.

        Raises:
            ProxysetError: it failed; the message is its own.
        """
        self.typed.append(shlex.join(["proxyset", *arguments]))
        done = subprocess.run(
            [*_LAUNCH, *arguments, "--json"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode != 0:
            raise _failed(self.typed[-1], done.returncode, done.stderr)
        return _json_line(self.typed[-1], done.stdout)

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """Start a server, yield the JSON line with which it says that it is ready, stop it in the end.

        Raises:
            ProxysetError: it ended or was silent before it was ready.
        """
        typed = shlex.join(["proxyset", *arguments])
        self.typed.append(f"{typed} &")
        log = self._folder / "server.log"
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [*_LAUNCH, *arguments, "--json"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )
            try:
                watchdog = threading.Timer(_START_SECONDS, process.kill)
                watchdog.start()
                line = process.stdout.readline() if process.stdout else ""
                watchdog.cancel()
                if not line:
                    raise _failed(typed, process.wait(_STOP_SECONDS), log.read_text(encoding="utf-8"))
                yield _json_line(typed, line)
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                if process.stdout:
                    process.stdout.close()


def _json_line(typed: str, output: str) -> dict[str, Any]:
    try:
        record = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise ProxysetError(f"`{typed} --json` printed no JSON line but {output[:200]!r}") from None
    if not isinstance(record, dict):
        raise ProxysetError(f"`{typed} --json` printed {output[:200]!r}, not an object")
    return record


def _failed(typed: str, status: int, errors: str) -> ProxysetError:
    last = next(reversed(errors.strip().splitlines()), "it said nothing")
    return ProxysetError(f"`{typed}` ended with status {status}: {last}")
