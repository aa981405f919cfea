"""A real PostgreSQL in a temporary folder, for as long as somebody needs it."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from proxyset.errors import InvalidInput, TransportError
from proxyset_lab.service.driver import family, free_port

_NUMBERS = itertools.count()
_START_SECONDS = 30


def programs() -> Path | None:
    """Where the server's programs are; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    plain = shutil.which("initdb")
    return found[-1].parent if found else Path(plain).parent if plain else None


class Postgres:
    """A running server; it takes no password, and listens on this machine alone."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises TransportError: it does not."""
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                _command("postgres", "-D", self.folder / "data", "-p", self.port, *_settings(self.folder)),
                stdout=log, stderr=log, cwd="/", user=_user(),
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run(
            _command("pg_isready", "-q", "-h", "127.0.0.1", "-p", self.port), check=False
        ).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TransportError(
                    f"PostgreSQL did not start: {(self.folder / 'log').read_text(encoding='utf-8')[-1000:]}"
                )
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Of the process whose children are the others. Raises TransportError: it was not started."""
        if self._process is None:
            raise TransportError("PostgreSQL is not running")
        return self._process.pid

    def stop(self) -> None:
        """End it within a moment; what was committed stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=60)

    def kill(self) -> None:
        """kill -9 of all its processes."""
        for each in family(self.pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(timeout=60)

    def fresh(self, files: Path) -> str:
        """The URL of a new, empty state."""
        import psycopg

        name = f"state{next(_NUMBERS)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}".encode())
        files.mkdir(parents=True, exist_ok=True)
        return f"{self._url(name)}?files={files}"

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


@contextmanager
def new_state(files: Path) -> Iterator[tuple[str, Postgres]]:
    """The place of a new state in a PostgreSQL of its own, and that PostgreSQL."""
    with running_postgres() as postgres:
        yield postgres.fresh(files), postgres


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A new one, and nothing of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="proxyset-pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    server = Postgres(folder, free_port())
    made = subprocess.run(
        _command("initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"),
        capture_output=True, text=True, encoding="utf-8", check=False, cwd="/", user=_user(),
    )  # fmt: skip
    try:
        if made.returncode:
            raise TransportError(f"initdb: {made.stdout}{made.stderr}")
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _command(program: str, *arguments: object) -> list[str]:
    folder = programs()
    if folder is None:
        raise InvalidInput("there is no PostgreSQL on this machine: apt-get install postgresql")
    return [str(folder / program), *map(str, arguments)]


def _settings(folder: Path) -> list[str]:
    values = {"listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "max_connections": 200}
    return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]


def _user() -> str | None:
    """Who it runs as: it refuses to be root."""
    return "postgres" if os.getuid() == 0 else None
