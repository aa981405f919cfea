"""A real PostgreSQL in a temporary folder, for as long as the tests run."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_NUMBERS = itertools.count()


def programs() -> Path | None:
    """Where the server's programs are; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    plain = shutil.which("initdb")
    return found[-1].parent if found else Path(plain).parent if plain else None


class Postgres:
    """A running server; it takes no password, and listens on this machine alone."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c max_connections=200"
        self._run(
            "pg_ctl", "-D", self.folder / "data", "-o", options, "-l", self.folder / "log", "-w", "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """ "immediate" is how it stops when it is killed."""
        self._run("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop")

    def pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def fresh(self, files: Path) -> str:
        """The URL of a new, empty state."""
        name = f"state{next(_NUMBERS)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}")
        files.mkdir(parents=True, exist_ok=True)
        return f"{self._url(name)}?files={files}"

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: object) -> None:
        who = {"user": "postgres"} if os.getuid() == 0 else {}  # it refuses to be root
        command = [str(programs() / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **who)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="proxyset-pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    server = Postgres(folder, port)
    server._run(
        "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"
    )
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)
