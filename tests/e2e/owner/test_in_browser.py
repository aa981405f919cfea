"""The owner's page in a real browser, served by a real process."""

from __future__ import annotations

import re
import socket

import pytest

from proxyset.agent import inbox
from proxyset.agent.page.app import owner_page
from proxyset.agent.page.settings import Settings
from proxyset.client.terms import Terms
from proxyset.wire.release import Release
from tests.e2e.browser import CHROMIUM, approve, chromium, listening, violations, width
from tests.e2e.owner.pages import PURPOSE, site_of
from tests.e2e.worlds import HOSTILE, table_probe, visits

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")


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
    assert width(pictures.first) > 0
    tab.get_by_label("Privacy loss").fill("0.4")
    tab.get_by_role("button", name="Work it out").click()
    before = ledger.entries()
    approve(tab)
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
    approve(tab)
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
def test_axe_finds_nothing_on_any_page(page, browser):
    context = browser.new_context()
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
    approve(tab)
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
    tab.wait_for_url(re.compile("/approve"))
    press_until("Answer it")
    tab.get_by_role("link", name="see exactly what left").wait_for()
    assert ledger.account().debits == 1


@pytest.mark.browser
@needs_chromium
def test_without_script(page, ledger, browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page["url"])
    tab.locator(".cards a").click()
    approve(tab)
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
@pytest.mark.parametrize("width", [390, pytest.param(1100, marks=pytest.mark.thorough)])
def test_a_table_and_the_report(ledger, browser, tmp_path, width):
    """Columns before yes; the report in the page, whose bytes can be saved, on a screen and on a phone, with axe's eyes."""
    table = table_probe(tmp_path / "public", clusters=6, purpose=PURPOSE)
    inbox.put(ledger, table.data, "registry")
    data = visits(tmp_path / "private.csv", 50, seed=1)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = owner_page(ledger, Settings(str(data), Terms(0.58)), port)
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
        approve(tab)
        tab.get_by_role("link", name="see exactly what left").wait_for()
        tab.get_by_role("link", name="Report", exact=True).click()
        tab.wait_for_url("**/report")
        tab.wait_for_function("document.title.startsWith('Privacy report')")
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
