"""An S3 server for a while: moto's, a process of its own that keeps objects in files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxyset.errors import ProxysetError

_PATIENCE = 200  # seconds until it answers


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Yield the URL of an empty bucket; this process and those that it starts reach it by the environment.

    Args:
        folder: a new one, where the server keeps objects.
    """
    folder.mkdir(parents=True)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    known = dict(os.environ)
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=known | {"TMPDIR": str(folder), "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(1 << 20)},
    )
    try:
        _make_bucket(url, process)
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
        }
        yield "s3://bucket"
    finally:
        process.terminate()
        process.wait()
        for name in set(os.environ) - set(known):
            del os.environ[name]
        os.environ |= known


def _make_bucket(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT"), timeout=10).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise ProxysetError(f"moto's server does not answer: {error}") from None
            time.sleep(0.1)
