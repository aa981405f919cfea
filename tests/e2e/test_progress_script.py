"""The script that keeps a page with work in progress up to date, in a real browser, with requests that fail."""

from importlib import resources

import pytest

from tests.e2e.browser import CHROMIUM, chromium

SCRIPT = resources.files("proxyset.page").joinpath("static/page.js").read_text(encoding="utf-8")
PAGE = f"""<!doctype html><title>t</title>
<div data-poll="/progress" data-every="10">begun</div><script>{SCRIPT}</script>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}"),
]


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


def watched(browser, answers):
    """A page whose requests get these answers, None for a connection that breaks; and how many it made."""
    made = []

    def answer(route):
        made.append(route.request.url)
        status, text, done = answers[len(made) - 1] or (0, "", "")
        if status:
            route.fulfill(status=status, body=text, headers={"x-done": done})
        else:
            route.abort()

    tab = browser.new_context().new_page()
    tab.route("**/page", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    tab.route("**/progress", answer)
    tab.goto("http://127.0.0.1/page")
    return tab, made


def test_one_request_that_fails_is_not_the_last(browser):
    answers = [None, (503, "busy", "no"), (200, "half", "no"), None, (200, "all", "yes")]
    tab, made = watched(browser, answers)
    tab.get_by_text("all").wait_for()
    tab.wait_for_timeout(200)
    assert len(made) == len(answers)


@pytest.mark.parametrize("status", [401, 404])
def test_who_is_logged_out_is_not_asked_again(browser, status):
    tab, made = watched(browser, [(status, "", "no")])
    tab.wait_for_timeout(200)
    assert (tab.locator("div").inner_text(), len(made)) == ("begun", 1)
