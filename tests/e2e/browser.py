"""A real Chromium for the tests and pictures of the pages, and servers in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 120_000  # Playwright's own 30 s were too few for an answer among twelve busy processes
PROGRAM = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", "from proxyset.cli import main; main()"]


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser with a fresh profile, which waits as long as a machine with much else to do may take."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        new_context = browser.new_context

        def patient(**options: Any) -> Any:
            context = new_context(**options)
            context.set_default_timeout(PATIENCE_MS)
            return context

        browser.new_context = patient  # type: ignore[method-assign]
        try:
            yield browser
        finally:
            browser.close()


def width(picture: Any) -> int:
    """Of a picture on a page, in pixels, once it is there; a picture that cannot be shown is an error."""
    wide: int = picture.evaluate("image => image.decode().then(() => image.naturalWidth)")
    return wide


@contextmanager
def serving(*arguments: object, state: Path) -> Iterator[dict[str, Any]]:
    """A command of proxyset that serves until the block ends; yields its JSON line."""
    environment = os.environ | {"XDG_STATE_HOME": str(state)}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout and process.stderr
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield json.loads(line)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def listening(app: Any, listener: socket.socket) -> Iterator[None]:
    """An ASGI application on a real socket, served by a thread of this process."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(30)


def approve(page: Any) -> None:
    """Say yes to the question on an owner's page, and yes again when asked whether it may cost what it costs."""
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Answer it").click()


def violations(page: Any) -> list[str]:
    """What axe-core finds on the page as it is now, one line a rule and element; of dark colours too."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    rules = "{type: 'rule', values: ['color-contrast', 'link-in-text-block']}"  # by tag, axe runs those that are off, too
    found += page.evaluate(
        f"axe.run({{runOnly: {rules}}}).then(found => found.violations)"
    )  # axe is in the page by now
    page.emulate_media(color_scheme="light")
    return [
        f"{page.url} {v['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for v in found
        for node in v["nodes"]
    ]
