"""The operator's page over TLS, served by the command with a certificate of our own, in a real browser."""

from __future__ import annotations

import re
import ssl
from urllib.parse import urlsplit

import httpx2
import pytest

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.server import campaigns
from proxyset.server.records import Scope
from proxyset.server.state import State
from proxyset.train.metrics_file import MetricsFile
from proxyset_lab.service.certificate import certificate
from tests.e2e.browser import CHROMIUM, chromium, violations, width
from tests.e2e.serving import serving
from tests.e2e.worlds import operator_state

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")
COOKIE = "__Host-proxyset-operator"


class Cloud:
    """A state that another process serves over TLS; `trust` believes its certificate."""

    def __init__(self, folder, state, url, trust, token):
        self.folder, self.state, self.url, self.trust, self.token = folder, state, url, trust, token


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    state = operator_state(folder, each=12, clusters=6, hostile=False)
    MetricsFile(folder / "run", 10).log(3, {"loss": 0.5})
    trust, key = certificate(folder)
    arguments = (
        "--state",
        folder / "state",
        "--tls-cert",
        trust,
        "--tls-key",
        key,
        "--watch",
        folder / "run",
    )
    with serving(*arguments) as (facts, _):
        believed = ssl.create_default_context(cafile=trust)
        yield Cloud(folder, state, facts["url"], believed, state.accounts.create("ada", list(Scope)))
    state.close()


@pytest.mark.browser
@needs_chromium
def test_an_operator_works_over_tls(cloud, tmp_path):
    """Log in, begin a campaign, see an answer and a training run come in live, draw, download, log out."""
    with chromium() as browser:
        context = browser.new_context(ignore_https_errors=True, accept_downloads=True)
        tab = context.new_page()
        complaints, unsafe = [], []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: unsafe.append(request.url))
        tab.goto(cloud.url + "/")
        assert tab.url == cloud.url + "/page/login"
        tab.get_by_label("Operator’s token").fill(cloud.token)
        tab.get_by_role("button", name="Log in").click()
        tab.get_by_role("heading", name="Campaigns", exact=True).wait_for()
        (cookie,) = context.cookies()
        assert (cookie["name"], cookie["path"], cookie["domain"]) == (COOKIE, "/", "127.0.0.1")
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
        assert tab.evaluate("document.cookie") == ""
        assert tab.evaluate("window.isSecureContext")
        assert violations(tab) == []

        tab.get_by_role("link", name="Begin a campaign").click()
        tab.get_by_label("Name").fill("shapes")
        tab.get_by_label("Budget").fill("12")
        tab.get_by_role("button", name="Begin").click()
        tab.get_by_text("0 of 3 enrolled clients").wait_for()
        # a client answers, told by another process; the open page says so by itself
        other = State.open(cloud.folder / "state")
        ledger = Ledger.open(cloud.folder / "client-1" / "ledger")
        probe = other.probe(other.campaign("shapes").probe)
        data = cloud.folder / "client-1" / "data"
        release = answer(probe, data, epsilon=1, ledger=ledger, server="https://cloud.example", dataset="X")
        campaigns.take_in(other, "shapes", [release.to_bytes()])
        other.close()
        tab.get_by_text("1 of 3 enrolled clients").wait_for()

        tab.goto(cloud.url + "/page/campaigns/shapes")
        tab.locator(".map a").first.focus()
        tab.locator("#near img").first.wait_for()
        tab.get_by_role("button", name="Draw a proxy set").click()
        tab.get_by_role("link", name=re.compile("^set ")).click()
        picture = tab.locator(".gallery img").first
        assert width(picture) > 0
        with tab.expect_download() as download:
            tab.get_by_role("link", name="csv").click()
        download.value.save_as(tmp_path / "set.csv")
        assert (tmp_path / "set.csv").read_text().count("\n") == 13

        tab.goto(cloud.url + "/page/progress")
        tab.get_by_text("3 of 10 steps").wait_for()
        MetricsFile(cloud.folder / "run", 10).log(7, {"loss": 0.25})
        tab.get_by_text("7 of 10 steps").wait_for()

        tab.get_by_role("button", name="Log out").click()
        tab.get_by_role("button", name="Log in").wait_for()
        assert context.cookies() == []
        context.close()
    assert complaints == []
    assert {urlsplit(url).scheme for url in unsafe} == {"https"}


def test_headers_and_cookie_over_tls(cloud):
    with httpx2.Client(base_url=cloud.url, verify=cloud.trust) as client:
        for path in ("/page/login", "/page/", "/page/static/page.css", "/page/nothing", "/"):
            headers = client.get(path).headers
            assert headers.get_list("strict-transport-security") == ["max-age=31536000"], path
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
        entered = client.post("/page/login", data={"token": cloud.token}, headers={"origin": cloud.url})
        cookie = entered.headers["set-cookie"].lower()
        assert cookie.startswith(COOKIE.lower() + "=")
        for part in ("secure", "httponly", "samesite=strict", "path=/"):
            assert part in [each.strip() for each in cookie.split(";")]
        assert "domain" not in cookie


def test_a_form_of_a_page_without_tls_is_refused(cloud):
    plain = cloud.url.replace("https://", "http://")
    with httpx2.Client(base_url=cloud.url, verify=cloud.trust) as client:
        for origin in (plain, "https://evil.example", "null"):
            answered = client.post("/page/login", data={"token": cloud.token}, headers={"origin": origin})
            assert (answered.status_code, "set-cookie" in answered.headers) == (403, False)


def test_a_cookie_of_another_name_opens_nothing(cloud):
    """What a page without TLS could have planted has no prefix, and is not looked at."""
    with httpx2.Client(base_url=cloud.url, verify=cloud.trust) as client:
        entered = client.post("/page/login", data={"token": cloud.token}, headers={"origin": cloud.url})
        value = entered.cookies[COOKIE]
        client.cookies.clear()
        for name, status in ((COOKIE.removeprefix("__Host-"), 303), (COOKIE, 200)):
            assert client.get("/page/", headers={"cookie": f"{name}={value}"}).status_code == status


def test_without_trust_nobody_gets_in(cloud):
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(cloud.url + "/page/login")
