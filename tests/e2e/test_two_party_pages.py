"""What operator and owners see of a sum of two parties, from the first report to the opened sum, over sockets."""

from __future__ import annotations

import re
import socket

import httpx2
import pytest

from proxyset.agent import inbox
from proxyset.agent.agent import Fate
from proxyset.agent.history import history
from proxyset.agent.page.app import owner_page
from proxyset.agent.page.settings import Settings
from proxyset.agent.report import render
from proxyset.client.receipts import public_key
from proxyset.client.terms import Terms
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from tests.e2e.browser import listening
from tests.e2e.test_crowded_page import operating
from tests.server.running import running, tiny_index
from tests.server.two_party.parties import POLICY, begin_sum, client_of, helping, leader

TOGETHER = "unless the server and the helper work together"


@pytest.fixture
def state(tmp_path):
    book = State.open(tmp_path / "state")
    yield book
    book.close()


class Page:
    """An owner's page, logged in to."""

    def __init__(self, ledger, data):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self._page = owner_page(ledger, Settings(str(data), Terms(0.5)), port)
        self.site = f"http://127.0.0.1:{port}"
        self.serving = listening(self._page.app, listener)

    def __enter__(self):
        self.serving.__enter__()
        self._client = httpx2.Client(base_url=self.site)
        self._client.get(f"/login?token={self._page.token.value}")
        return self

    def __exit__(self, *told):
        self._client.close()
        self.serving.__exit__(*told)
        self._page.close()

    def get(self, path):
        return self._client.get(path).text

    def post(self, path, **fields):
        csrf = re.search(r'name="csrf" value="([^"]+)"', self.get("/"))[1]
        return self._client.post(path, data={"csrf": csrf, **fields}, headers={"origin": self.site})


def test_a_sum_on_both_pages(state, tmp_path, command):
    index = tiny_index(tmp_path)
    with helping(tmp_path / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, index, helper)
        policy = POLICY.format(sums_of(state).find("wards").task.helper)
        agents = [client_of(state, url, tmp_path, number, policy) for number in range(3)]
        asking = client_of(state, url, tmp_path, 3, policy + "\napprove_above = 0.5\n")
        assert asking.round() == {"wards": Fate.waiting}

        # the owner is told what it is, not what noise of one's own would be (red before), and says yes
        with Page(asking.ledger, tmp_path / "pool.npy") as owner:
            (ask,) = inbox.asks(asking.ledger)
            shown = owner.get(f"/asks/{ask.name}")
            assert "5 exact counts, in two halves" in shown and TOGETHER in shown and "<svg" in shown
            assert "each a count with random noise" not in shown
            asked = owner.get(f"/asks/{ask.name}/approve?epsilon=40.0")
            assert "exact counts, in two halves" in asked and "strangers" in asked
            assert not [entry for entry in asking.ledger.entries() if entry.kind == "approval"]
            assert owner.post(f"/asks/{ask.name}/approve", epsilon="40.0").status_code == 303
        assert asking.round() == {"wards": Fate.answered}
        for agent in agents:
            agent.round()

        with operating(state) as operator:
            page = operator.get("/campaigns/wards")
            assert "Who learns what" in page and "4</strong>, and at least 3 are needed" in page
            assert "Add up and open</a>" not in page
            assert operator.post("/campaigns/wards/close").status_code == 303
            assert "Add up and open</a>" in operator.get("/campaigns/wards")
            assert "It is opened once." in operator.get("/campaigns/wards/open")
            assert not sums_of(state).progress("wards").closed
            assert operator.post("/campaigns/wards/open").status_code == 303
            while operator.client.get("/campaigns/wards/opening").headers["x-done"] != "yes":
                pass
            page = operator.get("/campaigns/wards")
            assert "The sum was opened" in page and "4 accepted" in page and "1 of 1 done" in page
            assert "sum of two parties" in operator.get("/")
            assert "open sum" in operator.get("/acts")

    # what left is told as what it is, on the page and in the report (red before: "Nothing has left")
    (sent,) = history(asking.ledger)
    with Page(asking.ledger, tmp_path / "pool.npy") as owner:
        home = owner.get("/")
        assert "5 exact counts in two halves" in home and "accepted, with this helper" in home
        assert "answered" in owner.get(f"/asks/{ask.name}")
        assert "random by themselves" in owner.get(f"/sent/{sent.entry.seq}")
        assert owner.post(f"/sent/{sent.entry.seq}/verify").status_code == 303
        assert "The receipt is genuine" in owner.get(f"/sent/{sent.entry.seq}")
        assert owner.post(f"/sent/{sent.entry.seq}/counts").status_code == 404
    (tmp_path / "report").write_bytes(sent.data)
    arguments = (
        "client",
        "verify",
        tmp_path / "report",
        "--key",
        public_key(asking.ledger),
        "--ledger",
        asking.ledger.path,
    )
    status, told, _ = command(*arguments, "--json")  # as the report says (red before: it was no release)
    assert (status, told["release"]) == (0, sent.release.fingerprint)
    (told,) = command("client", "history", asking.ledger.path, "--json")[1]["answers"]
    assert (told["what"], told["bytes"]) == ("report", len(sent.data))
    report = render(asking.ledger).html
    assert "Nothing has left" not in report and "unless those two work together" in report
