"""An owner's page, on a socket of this process or as a command, and who may look at it."""

from __future__ import annotations

import re
import socket

import httpx2
import pytest

from proxyset.agent import inbox
from proxyset.agent.page.app import owner_page
from proxyset.agent.page.settings import Settings
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.receipts import make_key
from proxyset.client.terms import Terms
from tests.e2e.browser import listening, serving
from tests.e2e.owner.pages import PURPOSE, site_of
from tests.e2e.worlds import draw_private, picture_index


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An index with hostile names, a probe of it, and 120 private drawings."""
    folder = tmp_path_factory.mktemp("owner")
    index = picture_index(folder, each=30, clusters=12, hostile=True)
    draw_private(folder / "private", 120)
    (folder / "probe").write_bytes(index.probe(purpose=PURPOSE).data)
    return folder


@pytest.fixture
def ledger(tmp_path):
    book = Ledger.open(tmp_path / "ledger", cap=Cap(4))
    make_key(book)
    return book


@pytest.fixture
def page(world, ledger):
    """The page on a socket of this process, with the probe in its inbox: where it opens."""
    inbox.put(ledger, (world / "probe").read_bytes())
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = owner_page(ledger, Settings(str(world / "private"), Terms(0.58)), port)
    with listening(served.app, listener):
        yield {"url": f"http://127.0.0.1:{port}/login?token={served.token.value}", "close": served.close}
    served.close()


@pytest.fixture
def process(world, ledger, tmp_path):
    """The same as a command in a process of its own."""
    arguments = [
        "client",
        "serve",
        ledger.path,
        "--data",
        world / "private",
        "--port",
        0,
        "--probe",
        world / "probe",
    ]
    with serving(*arguments, state=tmp_path / "state") as facts:
        yield facts


@pytest.fixture
def visitor(page):
    """A client that is logged in, and the token of its session."""
    with httpx2.Client(base_url=site_of(page)) as client:
        assert client.get(page["url"]).status_code == 303
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)
        yield client, csrf[1]
