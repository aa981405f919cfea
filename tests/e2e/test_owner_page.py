"""The owner's page in a real browser, served by a real process; and what it refuses, without one."""

from __future__ import annotations

import http.client
import re
import socket
import time
from contextlib import closing

import httpx2
import numpy as np
import pytest
from markupsafe import escape
from pydantic import ValidationError

from proxyset.agent import inbox
from proxyset.agent.page.app import owner_page
from proxyset.agent.page.settings import Settings
from proxyset.client.answer import answer
from proxyset.client.labeling import answer_questions
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key
from proxyset.cloud.index import Index
from proxyset.encoders.encoder import EncoderSpec
from proxyset.server.single import create_app
from proxyset.wire.container import pack, unpack
from proxyset.wire.probe import PROBE_LIMIT, Probe, _Header
from proxyset.wire.release import Release
from tests.client.asking import make_questions, make_records
from tests.e2e.browser import CHROMIUM, chromium, listening, serving, violations
from tests.e2e.worlds import HOSTILE, draw_private, picture_index, table_probe, visits

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")
PURPOSE = f"to sort drawings {HOSTILE}"


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
    served = owner_page(ledger, Settings(str(world / "private"), 0.58), port)
    with listening(served.app, listener):
        yield {"url": f"http://127.0.0.1:{port}/login?token={served.token.value}"}
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


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def tab(browser):
    context = browser.new_context(accept_downloads=True)
    tab = context.new_page()
    tab.complaints = []
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    yield tab
    title = tab.title()
    context.close()
    assert (tab.complaints, "pwned" in title) == ([], False)


def site_of(page):
    return page["url"].partition("/login")[0]


@pytest.mark.browser
@needs_chromium
def test_an_owner_approves_a_probe_and_the_ledger_shows_it(process, ledger, tab, tmp_path):
    tab.goto(process["url"])
    assert tab.title().startswith("Overview")
    tab.locator(".cards a").click()
    assert tab.locator("blockquote").first.inner_text() == PURPOSE  # shown, not run
    names = tab.locator(".pictures .name").all_inner_texts()
    assert any(HOSTILE in name for name in names)
    pictures = tab.locator(".pictures img")
    assert pictures.count() == 12
    assert pictures.first.evaluate("image => image.naturalWidth") > 0
    tab.get_by_label("Privacy loss").fill("0.4")
    tab.get_by_role("button", name="Work it out").click()
    before = ledger.entries()
    tab.get_by_role("button", name="Approve").click()
    tab.get_by_role("link", name="see exactly what left").click()
    new = ledger.entries()[len(before) :]
    assert [(entry.kind, entry.epsilon) for entry in new if entry.kind != "pin"] == [
        ("approval", 0.4), ("debit", 0.4), ("release", None)
    ]  # fmt: skip
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Save these bytes").click()
    saved = tmp_path / "saved"
    download.value.save_as(saved)
    release = Release.from_bytes(saved.read_bytes())
    assert release.fingerprint == new[-1].digest
    assert release.receipt
    tab.get_by_role("button", name="Verify").click()
    assert "The receipt is genuine" in tab.locator(".notice").first.inner_text()
    tab.get_by_role("button", name="Count again").click()
    shown = tab.locator("#counts ~ .scroll tbody tr").all()
    sent = [int(row.locator("td").nth(1).inner_text().replace("−", "-").replace(",", "")) for row in shown]
    true = [int(row.locator("td").nth(0).inner_text().replace(",", "")) for row in shown]
    assert sorted(sent) == sorted(release.counts.tolist())
    assert sum(true) == 120
    tab.goto(site_of(process) + "/")
    tab.get_by_role("button", name="Verify ledger").click()
    assert "follow from one another" in tab.locator(".notice").first.inner_text()


@pytest.mark.browser
@needs_chromium
def test_approving_again_is_free_and_a_refusal_stays(page, world, ledger, tab, command):
    tab.goto(page["url"])
    tab.locator(".cards a").click()
    tab.get_by_role("button", name="Approve").click()
    tab.get_by_role("link", name="see exactly what left").wait_for()
    tab.get_by_role("button", name="Send again").click()
    tab.get_by_text("nothing was debited").wait_for()
    assert ledger.account().debits == 1
    tab.get_by_label("Why").fill("I changed my mind")
    tab.get_by_role("button", name="Refuse").click()
    tab.locator(".notice", has_text="Refused").wait_for()
    arguments = (
        "answer",
        world / "probe",
        "--data",
        world / "private",
        "--epsilon",
        0.58,
        "--ledger",
        ledger.path,
    )
    status, _, error = command(*arguments, "--approve", "--out", world / "never")
    assert status == 3
    assert "the owner refused" in error
    assert not (world / "never").exists()


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(page, browser, scheme):
    context = browser.new_context(color_scheme=scheme)
    tab = context.new_page()
    site = site_of(page)
    tab.goto(site + "/login")
    found = violations(tab)
    tab.goto(page["url"])
    found += violations(tab)
    tab.locator(".cards a").click()
    tab.locator(".pictures").wait_for()
    tab.wait_for_load_state()
    found += violations(tab)
    tab.get_by_role("button", name="Approve").click()
    tab.get_by_role("link", name="see exactly what left").wait_for()
    tab.wait_for_load_state()
    found += violations(tab)
    tab.get_by_role("link", name="see exactly what left").click()
    tab.get_by_role("button", name="Count again").wait_for()
    tab.wait_for_load_state()
    for summary in tab.locator("summary").all():
        summary.click()
    found += violations(tab)
    tab.get_by_role("button", name="Count again").click()
    tab.locator("#counts ~ .scroll tbody tr").first.wait_for()
    tab.wait_for_load_state()
    found += violations(tab)
    tab.goto(site + "/")
    for summary in tab.locator("summary").all():
        summary.click()
    found += violations(tab)
    tab.goto(site + "/nothing")
    found += violations(tab)
    context.close()
    assert found == []


@pytest.mark.browser
@needs_chromium
def test_with_the_keyboard_alone(page, ledger, tab):
    tab.goto(page["url"])

    def press_until(words):
        for _ in range(60):
            tab.keyboard.press("Tab")
            text = tab.evaluate(
                "(document.activeElement.innerText || document.activeElement.value || '').trim()"
            )
            if text.startswith(words):
                outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none"
                tab.keyboard.press("Enter")
                return
        raise AssertionError(f"{words!r} was not reached")

    press_until("a file, of unknown sender")
    tab.wait_for_url(re.compile("/asks/"))
    press_until("Approve")
    tab.get_by_role("link", name="see exactly what left").wait_for()
    assert ledger.account().debits == 1


@pytest.mark.browser
@needs_chromium
def test_without_script(page, ledger, browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page["url"])
    tab.locator(".cards a").click()
    tab.get_by_role("button", name="Approve").click()
    for _ in range(50):
        if tab.get_by_role("link", name="see exactly what left").count():
            break
        tab.wait_for_timeout(200)
        tab.reload()
    assert ledger.account().debits == 1
    context.close()


@pytest.mark.browser
@needs_chromium
def test_nothing_is_cut_off_on_a_phone(page, browser):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab = context.new_page()
    tab.goto(page["url"])
    tab.locator(".cards a").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.locator(".cards a").click()
    tab.locator(".pictures").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [1100, 390])
def test_a_table_and_the_report(ledger, browser, tmp_path, width):
    """Columns before yes; the report in the page, whose bytes can be saved, on a screen and on a phone, with axe's eyes."""
    table = table_probe(tmp_path / "public", clusters=6, purpose=PURPOSE)
    inbox.put(ledger, table.data, "registry")
    data = visits(tmp_path / "private.csv", 50, seed=1)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = owner_page(ledger, Settings(str(data), 0.58), port)
    context = browser.new_context(viewport={"width": width, "height": 800}, accept_downloads=True)
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text))
    with listening(served.app, listener):
        tab.goto(f"http://127.0.0.1:{port}/login?token={served.token.value}")
        tab.get_by_role("link", name="registry").click()
        rows = tab.get_by_role("region", name="Columns that are read").locator("tbody tr")
        assert [row.locator("th").inner_text() for row in rows.all()][:3] == ["age", "sex", "ward"]
        assert table.encoder.fingerprint in tab.locator("main").inner_text()
        found = violations(tab)
        tab.get_by_role("button", name="Approve").click()
        tab.get_by_role("link", name="see exactly what left").wait_for()
        tab.get_by_role("link", name="Report", exact=True).click()
        assert tab.title().startswith("Privacy report")
        assert PURPOSE in tab.locator("blockquote").first.inner_text()
        with tab.expect_download() as download:
            tab.get_by_role("link", name="Save these bytes").click()
        download.value.save_as(tmp_path / "saved")
        assert Release.from_bytes((tmp_path / "saved").read_bytes()).receipt
        assert tab.evaluate("getComputedStyle(document.querySelector('.numbers')).borderRadius") == "10px"
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        found += violations(tab)
    context.close()
    served.close()
    assert (found, complaints) == ([], [])


# What is refused, without a browser


@pytest.fixture
def visitor(page):
    """A client that is logged in, and the token of its session."""
    with httpx2.Client(base_url=site_of(page)) as client:
        assert client.get(page["url"]).status_code == 303
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)
        yield client, csrf[1]


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
    assert client.get(url).status_code == 405
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
    """Items that are not what the server asks about are told on the page, and `answer` refuses."""
    client, csrf = visitor
    origin = {"origin": site_of(page)}
    header, tensors = unpack((world / "probe").read_bytes(), _Header, "probe", PROBE_LIMIT)
    pictures, ends = tensors["medoids.contents"].tobytes(), tensors["medoids.ends"].tolist()
    swapped = pictures[ends[0] : ends[1]] + pictures[: ends[0]] + pictures[ends[1] :]
    tensors["medoids.contents"] = np.frombuffer(swapped, np.uint8)
    tensors["medoids.ends"] = np.array([ends[1] - ends[0], *ends[1:]], np.int64)
    ask = inbox.put(ledger, pack(header, tensors), "liar")
    assert "is not what it claims" in client.get(f"/asks/{ask.name}").text
    client.post(f"/asks/{ask.name}/approve", headers=origin, data={"csrf": csrf})
    for _ in range(200):
        if client.get(f"/asks/{ask.name}/progress").headers["x-done"] == "yes":
            break
        time.sleep(0.05)
    assert "is not what it claims" in client.get(f"/asks/{ask.name}/progress").text
    assert ledger.spent() == 0


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
