"""A real Label Studio for the tests: installed once into its own environment, started and stopped by whoever needs it.

python -m tests.e2e.label_studio        install it (about 1 GB, in the cache of proxyset, outside the repository)
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import venv
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from proxyset.demo.cache import cache_folder

VERSION = "1.23.2"
_START_SECONDS = 400  # 25 s on an idle machine, minutes on a busy one


def home() -> Path:
    return cache_folder() / f"label-studio-{VERSION}"


def program() -> Path:
    return home() / "bin" / "label-studio"


def ready() -> bool:
    """The marker is written last: an install that was killed does not count."""
    return (home() / "complete").exists() and program().exists()


def install() -> None:
    if ready():
        return
    shutil.rmtree(home(), ignore_errors=True)
    venv.create(home(), with_pip=True)
    python = home() / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"label-studio=={VERSION}"], check=True)
    (home() / "complete").touch()


@dataclass(frozen=True)
class Running:
    """A server; the people on it have the password `password`."""

    url: str
    admin: str
    password: str

    def token(self, email: str, invited: bool = False) -> str:
        """A personal access token of a person, who signs up first when `invited`."""
        with httpx2.Client(base_url=self.url, headers={"referer": self.url}, timeout=60) as browser:
            page = self._invitation() if invited else "/user/login/"
            browser.get(page)
            form = {"email": email, "password": self.password, "allow_newsletters": "false"}
            entered = browser.post(page, data=form | {"csrfmiddlewaretoken": browser.cookies["csrftoken"]})
            assert entered.status_code == 302, entered.text[:500]
            made = browser.post("/api/token/", headers={"x-csrftoken": browser.cookies["csrftoken"]})
            assert made.status_code == 201, made.text[:500]
            return str(made.json()["token"])

    def _invitation(self) -> str:
        with httpx2.Client(base_url=self.url, headers={"referer": self.url}, timeout=60) as browser:
            browser.get("/user/login/")
            form = {"email": self.admin, "password": self.password}
            browser.post("/user/login/", data=form | {"csrfmiddlewaretoken": browser.cookies["csrftoken"]})
            link = re.search(r"/user/signup/\?token=\w+", browser.get("/api/invite").text)
            assert link
            return link[0]


@contextmanager
def running(folder: Path):
    """Start a server on a free port of the loopback with its data in `folder`; stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Running(f"http://127.0.0.1:{port}", "owner@example.org", secrets.token_urlsafe(12))
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    arguments = ["start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    arguments += ["--username", server.admin, "--password", server.password]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [program(), *arguments],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        try:
            _wait(server.url, process, folder / "server.log")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            if httpx2.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.5)
    raise TimeoutError(
        f"Label Studio did not answer in {_START_SECONDS} s: {log.read_text(errors='replace')[-2000:]}"
    )


if __name__ == "__main__":
    install()
    sys.stdout.write(f"{program()}\n")
