"""nginx before servers, by the configuration that `deploy/` ships, with this machine's addresses in the place of its names."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxyset.errors import InvalidInput
from proxyset_lab.service.certificate import certificate

_START_SECONDS = 30
SHIPPED = Path(__file__).parents[4] / "deploy" / "nginx.conf"


@dataclass(frozen=True)
class Balancer:
    """A running nginx: what it is called, whom to trust for its certificate, and its process."""

    url: str
    trust: Path
    pid: int


def program() -> str | None:
    """Where nginx is; Debian keeps it out of a user's PATH."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def balancing(folder: Path, port: int, ports: Sequence[int]) -> Iterator[Balancer]:
    """nginx with TLS on a port of this machine, before the servers on `ports`; its files are in a new folder.

    Raises:
        InvalidInput: there is no nginx, or it does not take the configuration.
    """
    nginx = program()
    if nginx is None:
        raise InvalidInput("there is no nginx on this machine: apt-get install nginx-light")
    folder.mkdir(parents=True)
    trust, _ = certificate(folder)
    config = folder / "nginx.conf"
    config.write_text(_placed(folder, port, ports), encoding="utf-8")
    command = [nginx, "-c", str(config), "-e", str(folder / "log")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, encoding="utf-8", check=False)
    if checked.returncode:
        raise InvalidInput(f"nginx does not take {SHIPPED.name}: {checked.stderr}")
    with (folder / "log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=log)
    try:
        _wait(port)
        yield Balancer(f"https://127.0.0.1:{port}", trust, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(port: int) -> None:
    """Until it takes connections."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _placed(folder: Path, port: int, ports: Sequence[int]) -> str:
    text = SHIPPED.read_text(encoding="utf-8")
    upstreams = "".join(f"    server 127.0.0.1:{each} max_fails=1 fail_timeout=1s;\n" for each in ports)
    text = re.sub(r"(    server server-\d:8080 .*\n)+", upstreams, text)
    for here, there in (
        ("listen 8443", f"listen 127.0.0.1:{port}"),
        ("/etc/nginx/tls/", f"{folder}/"),
        ("/tmp/nginx", f"{folder}/nginx"),
        ("limit_conn addresses 250;", ""),  # all clients are on this machine
    ):
        text = text.replace(here, there)
    return text if os.getuid() else f"user root;\n{text}"
