"""What the owner's page refuses and tells, without a browser."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import numpy as np
import pytest
from markupsafe import escape
from pydantic import ValidationError

from proxyset.agent import inbox
from proxyset.agent.page import views
from proxyset.agent.page.question import examine
from proxyset.client.answer import answer
from proxyset.client.labeling import answer_questions
from proxyset.client.policy import adopt
from proxyset.cloud.index import Index
from proxyset.encoders.encoder import EncoderSpec
from proxyset.server.single import create_app
from proxyset.wire.container import pack, unpack
from proxyset.wire.probe import PROBE_LIMIT, Probe, _Header
from proxyset.wire.release import Release
from tests.client.asking import make_questions, make_records
from tests.e2e.browser import listening
from tests.e2e.owner.pages import site_of
from tests.e2e.worlds import HOSTILE


def test_foreign_hosts_are_sent_away(page):
    for host in (
        "evil.example",
        "127.0.0.1",
        "localhost:1",
        "127.0.0.1.evil.example:" + site_of(page).rsplit(":", 1)[1],
    ):
        assert httpx2.get(site_of(page) + "/", headers={"host": host}).status_code == 400
    assert httpx2.get(site_of(page) + "/").status_code == 303


def test_the_link_works_once(page, visitor):
    assert httpx2.get(page["url"]).status_code == 403
    assert httpx2.get(site_of(page) + "/login?token=wrong").status_code == 403


def test_without_login_nothing_is_seen(page, ledger):
    for path in ("/", "/report", "/sent/1", "/asks/" + "0" * 64, "/probes/" + "0" * 64 + "/0.png"):
        answer = httpx2.get(site_of(page) + path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert httpx2.post(site_of(page) + "/verify", headers={"origin": site_of(page)}).status_code == 403


@pytest.mark.parametrize("path", ["approve", "refuse", "remove"])
def test_forged_forms_change_nothing(page, visitor, ledger, path):
    client, csrf = visitor
    name = re.search(r'href="/asks/([0-9a-f]{64})"', client.get("/").text)[1]
    before, origin = ledger.entries(), {"origin": site_of(page)}
    url = f"/asks/{name}/{path}"
    assert client.post(url, headers=origin).status_code == 403  # no token
    assert client.post(url, headers=origin, data={"csrf": csrf[::-1]}).status_code == 403
    assert client.post(url, data={"csrf": csrf}).status_code == 403  # no origin
    for foreign in ("http://evil.example", "null", site_of(page) + "0"):
        assert client.post(url, headers={"origin": foreign}, data={"csrf": csrf}).status_code == 403
    assert client.get(url).status_code == (
        405 if path == "refuse" else 200
    )  # to look does nothing: others are asked first
    assert ledger.entries() == before


def test_headers_of_every_response(page, visitor):
    client, _ = visitor
    for path in ("/", "/report", "/login", "/nothing", "/static/page.css", "/static/nothing", "/sent/99"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert ("no-store" in headers["cache-control"]) is (path != "/static/page.css")


def test_the_cookie_is_strict(page):
    cookie = httpx2.get(page["url"]).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie


def test_large_and_endless_bodies(page, visitor):
    client, _ = visitor
    with closing(http.client.HTTPConnection(site_of(page).removeprefix("http://"), timeout=20)) as connection:
        connection.putrequest("POST", "/file")
        connection.putheader("content-length", str(1 << 40))
        connection.endheaders()
        assert connection.getresponse().status == 413
    assert client.post("/file", content=(b"x" for _ in range(3))).status_code == 411


def test_the_policy_is_told_and_respected(page, visitor, ledger):
    client, csrf = visitor
    name = re.search(r'href="/asks/([0-9a-f]{64})"', client.get("/").text)[1]
    adopt(ledger, b'unit = "record"\nencoders = "any"\nmost_epsilon = 0.3\n')
    before = ledger.entries()
    assert "allows at most ε = 0.3" in client.get(f"/asks/{name}").text
    answer = client.post(
        f"/asks/{name}/approve", headers={"origin": site_of(page)}, data={"csrf": csrf, "epsilon": "0.5"}
    )
    assert (answer.status_code, ledger.entries()) == (409, before)


def test_errors_are_told_in_words(page, visitor):
    client, csrf = visitor
    origin = {"origin": site_of(page)}
    pulled = client.post("/pull", headers=origin, data={"csrf": csrf, "url": "file:///etc/passwd"})
    assert (pulled.status_code, "is not a URL of a server" in pulled.text) == (422, True)
    file = client.post("/file", headers=origin, data={"csrf": csrf}, files={"probe": (HOSTILE, b"no probe")})
    assert (file.status_code, HOSTILE in file.text) == (422, False)
    name = re.search(r'href="/asks/([0-9a-f]{64})"', client.get("/").text)[1]
    assert client.get(f"/asks/{name}?epsilon=many").status_code == 422
    assert client.get(f"/asks/{name}?epsilon=-1").status_code == 422
    assert client.get("/asks/..%2f..%2fledger").status_code == 404


def test_a_question_of_an_agent_is_only_approved(page, visitor, ledger, world):
    """The agent answers; the page writes down that it may."""
    client, csrf = visitor
    ask = inbox.put(ledger, (world / "probe").read_bytes(), "https://cloud.example", agent=True)
    form = {"csrf": csrf, "epsilon": "0.4"}
    assert (
        client.post(f"/asks/{ask.name}/approve", headers={"origin": site_of(page)}, data=form).status_code
        == 303
    )
    last = ledger.entries()[-1]
    assert (last.kind, last.server, last.epsilon) == ("approval", ask.server, 0.4)
    assert "Your agent answers" in client.get(f"/asks/{ask.name}").text


def test_a_question_of_an_open_server_goes_there_and_back(page, visitor, ledger, world, tmp_path):
    client, csrf = visitor
    origin = {"origin": site_of(page)}
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    probe = Index.open(world / "index").probe(purpose="over the network")
    with listening(create_app(probe, tmp_path / "releases"), listener):
        pulled = client.post("/pull", headers=origin, data={"csrf": csrf, "url": url})
        ask = pulled.headers["location"]
        assert "over the network" in client.get(ask).text
        client.post(f"{ask}/approve", headers=origin, data={"csrf": csrf})
        for _ in range(200):
            if client.get(f"{ask}/progress").headers["x-done"] == "yes":
                break
            time.sleep(0.05)
        assert f"delivered to {url}" in client.get(ask).text
    (sent,) = (tmp_path / "releases").glob("*.safetensors")
    assert Release.from_bytes(sent.read_bytes()).fingerprint == ledger.entries()[-1].digest


def test_questions_in_the_place_of_a_probe_are_not_pulled(page, visitor, ledger):
    """Labels are their owner's to carry: an ask that has questions and a server's address would send something there."""
    client, csrf = visitor
    message = make_questions().data

    class Liar(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(message)

    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        form = {"csrf": csrf, "url": f"http://127.0.0.1:{server.server_port}"}
        told = client.post("/pull", headers={"origin": site_of(page)}, data=form)
        server.shutdown()
    assert (told.status_code, "not a probe" in told.text) == (422, True), told.text
    assert len(inbox.asks(ledger)) == 1


def test_another_index_needs_the_owner_to_expect_it(page, visitor, ledger, world, tmp_path):
    client, csrf = visitor
    origin = {"origin": site_of(page)}
    ledger.add_pin("", "f" * 64)
    (name,) = {ask.name for ask in inbox.waiting(ledger)}
    assert "I expect a new collection" in client.get(f"/asks/{name}").text
    before = ledger.entries()
    assert client.post(f"/asks/{name}/approve", headers=origin, data={"csrf": csrf}).status_code == 409
    assert ledger.entries() == before
    form = {"csrf": csrf, "new_index": "yes"}
    assert client.post(f"/asks/{name}/approve", headers=origin, data=form).status_code == 303


def test_a_probe_that_lies_about_its_items_is_not_answered(page, visitor, ledger, world):
    """Items that are not what the server asks about are told on the page, and cannot be approved."""
    client, csrf = visitor
    origin = {"origin": site_of(page)}
    header, tensors = unpack((world / "probe").read_bytes(), _Header, "probe", PROBE_LIMIT)
    pictures, ends = tensors["medoids.contents"].tobytes(), tensors["medoids.ends"].tolist()
    swapped = pictures[ends[0] : ends[1]] + pictures[: ends[0]] + pictures[ends[1] :]
    tensors["medoids.contents"] = np.frombuffer(swapped, np.uint8)
    tensors["medoids.ends"] = np.array([ends[1] - ends[0], *ends[1:]], np.int64)
    ask = inbox.put(ledger, pack(header, tensors), "liar")
    assert "is not what it claims" in client.get(f"/asks/{ask.name}").text
    answered = client.post(f"/asks/{ask.name}/approve", headers=origin, data={"csrf": csrf})
    assert answered.status_code == 409 and "is not what it claims" in answered.text
    assert ledger.spent() == 0 and not any(entry.kind == "approval" for entry in ledger.entries())


def test_an_answer_that_is_done_while_its_page_is_made_is_asked_for_again(
    page, visitor, ledger, world, monkeypatch
):
    """Its page reads how far the work is before it reads what came of it, so that it never says done and shows nothing."""
    client, _ = visitor
    (ask,), work, ended = inbox.asks(ledger), page["close"].__self__, threading.Event()

    def examined(*arguments):
        question = examine(*arguments)
        ended.set()
        work.wait(ask.name, 60)
        return question

    monkeypatch.setattr(views, "examine", examined)
    work.start(ask.name, lambda _: "done" if ended.wait(60) else "never")
    assert f'data-poll="/asks/{ask.name}/progress"' in client.get(f"/asks/{ask.name}").text
    assert work.state(ask.name) == ("done", "done")


def test_labels_that_left_are_shown_too(page, visitor, ledger):
    client, csrf = visitor
    X, labels = make_records()
    release = answer_questions(
        make_questions(), X, labels, epsilon=1.0, ledger=ledger, server="a", dataset="X"
    )
    seq = ledger.entries()[-1].seq
    assert f"{len(release.labels)} noisy labels" in client.get("/").text
    shown = client.get(f"/sent/{seq}")
    assert (shown.status_code, "class no." in shown.text) == (200, True)
    assert client.get(f"/sent/{seq}/release").content == release.to_bytes()
    origin = {"origin": site_of(page)}
    assert client.post(f"/sent/{seq}/verify", headers=origin, data={"csrf": csrf}).status_code == 303
    assert "The receipt is genuine" in client.get(f"/sent/{seq}").text
    assert client.post(f"/sent/{seq}/counts", headers=origin, data={"csrf": csrf}).status_code == 404


def test_counts_of_persons_are_shown_in_records(page, visitor, ledger, world):
    client, _ = visitor
    data, terms = str(world / "private"), {"unit": "person", "max_records": 4, "person": "me"}
    release = answer(world / "probe", data, epsilon=1.0, ledger=ledger, server="a", approved=True, **terms)
    shown = client.get(f"/sent/{ledger.entries()[-1].seq}").text
    assert "whole numbers of 1/256 of a record" in shown
    assert "one person counted up to a length of √4 records hides behind the noise" in shown
    largest = f"{release.records.max():,.0f}".replace("-", "−")
    assert f'<td class="n">{largest}</td>' in shown
    assert f"in steps of 1/{release.privacy.grid} of a record" in client.get("/report").text


def test_an_encoder_that_is_not_here_is_told_and_the_name_of_a_server_does_not_run(page, visitor, ledger):
    with pytest.raises(ValidationError):  # the name of an encoder cannot even be said
        EncoderSpec(name=HOSTILE, dim=3)
    client, csrf = visitor
    C = np.eye(3, dtype=np.float32)
    probe = Probe.build(C, EncoderSpec(name="unknown", dim=3), "a" * 64)
    ask = inbox.put(ledger, probe.data, HOSTILE)
    shown = client.get(f"/asks/{ask.name}").text
    assert HOSTILE not in shown and escape(HOSTILE) in shown
    assert "cannot be compared" in shown
    answer = client.post(f"/asks/{ask.name}/approve", headers={"origin": site_of(page)}, data={"csrf": csrf})
    assert (answer.status_code, ledger.spent()) == (409, 0)
    assert HOSTILE not in client.get("/").text
