"""The operator's page with many clients, and with none: how much it sends, what it finds, and what it asks before it acts."""

from __future__ import annotations

import re
import socket
from contextlib import closing, contextmanager

import httpx2
import pytest

from proxyset.page.part import ROWS
from proxyset.server.app import create_app
from proxyset.server.limits import Limits
from proxyset.server.page.app import mount_page
from proxyset.server.records import Scope
from proxyset.server.state import State
from tests.e2e.browser import listening
from tests.e2e.crowds import crowd

CLIENTS = 4 * ROWS
_PAGE_BYTES = 60_000  # of any list; the table of 10,000 clients was 5,174,042 bytes


class Operator:
    """Somebody logged in to the page of a state."""

    def __init__(self, state, client, csrf):
        self.state, self.client, self.csrf = state, client, csrf

    def get(self, path):
        return self.client.get(path).text

    def post(self, path, **fields):
        headers = {"origin": str(self.client.base_url).partition("/page")[0]}
        return self.client.post(path, data={"csrf": self.csrf, **fields}, headers=headers)


@contextmanager
def operating(state):
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(state, limits=Limits(address=0))
    desk = mount_page(app, state)
    site = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with listening(app, listener), closing(httpx2.Client(base_url=f"{site}/page", timeout=60)) as client:
        client.post(
            "/login", data={"token": state.accounts.create("ada", list(Scope))}, headers={"origin": site}
        )
        yield Operator(state, client, re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)[1])
    desk.close()


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    state = crowd(tmp_path_factory.mktemp("crowd"), CLIENTS, clusters=6, each=12)
    with operating(state) as visitor:
        yield visitor
    state.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/clients",
        "/clients?page=3",
        "/invitations",
        "/acts",
        "/campaigns/drawings",
        "/campaigns/drawings/answers",
    ],
)
def test_no_list_grows_with_the_clients(operator, path):
    text = operator.get(path)
    assert len(text.encode()) < _PAGE_BYTES
    assert text.count("<tr") <= 2 * ROWS


def test_every_client_is_on_one_page_and_found_by_name(operator):
    names = [re.findall(r"phone \d{5}</th>", operator.get(f"/clients?page={page}")) for page in (1, 2, 3, 4)]
    assert len({name for page in names for name in page}) == CLIENTS
    found = operator.get("/clients?q=PHONE+0017")
    assert re.findall(r"phone 0017\d", found) and "1 to 10 of 10" in found
    assert "phone 00017" in operator.get("/campaigns/drawings/answers?q=00017")
    assert "None" in operator.get("/clients?q=%3Cscript%3E") and "<script>" not in operator.get(
        "/clients?q=%3Cscript%3E"
    )
    for wrong in ("nan", "1e30", "x"):
        assert operator.client.get(f"/clients?page={wrong}").status_code == 422


def test_what_cannot_be_undone_is_asked_first(operator):
    """Red before: Revoke and Close acted on one click."""
    key = operator.state.lists.clients("phone 00003").rows[0].client.key
    page = operator.get("/clients?q=phone+00003")
    assert f"/clients/{key}/revoke" in page and '<form method="post" action="/page/clients' not in page
    asked = operator.get(f"/clients/{key}/revoke")
    assert "Revoke phone 00003?" in asked and "1 answer." in asked
    assert not operator.state.client(key).revoked
    action = re.search(r'<form method="post" action="/page(/clients/[^"]+)"', asked)[1]
    assert operator.post(action).status_code == 303
    assert operator.state.client(key).revoked
    assert operator.client.get(f"/clients/{key}/revoke").status_code == 404
    token = operator.state.lists.invitations().rows[0]
    assert token.name in operator.get(f"/invitations/{token.id}/withdraw")
    assert operator.post(f"/invitations/{token.id}/withdraw").status_code == 303
    assert operator.client.get(f"/invitations/{token.id}/withdraw").status_code == 404
    assert "Close drawings?" in operator.get("/campaigns/drawings/close")
    assert operator.state.campaign("drawings").accepting()


def test_an_empty_server_says_the_next_step(tmp_path):
    state = State.open(tmp_path / "state")
    with operating(state) as visitor:
        assert "What to do next" in visitor.get("/")
        for path in ("/clients", "/indexes", "/new"):
            assert "Next: " in visitor.get(path), path
        made = visitor.post("/invitations", name="clinic").text
        assert re.search(r"<code>[\w-]{43}</code>", made) and "clinic" in visitor.get("/invitations")
    state.close()
