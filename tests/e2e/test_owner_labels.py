"""Questions about labels on the owner's page: in a real browser, and what is refused without one."""

from __future__ import annotations

import re
import socket
import time

import httpx2
import numpy as np
import pytest

from proxyset.agent import inbox
from proxyset.agent.page.app import owner_page
from proxyset.agent.page.settings import Settings
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.private_data import FOLDER
from proxyset.client.receipts import make_key
from proxyset.client.terms import Terms
from proxyset.errors import Refused
from proxyset.wire.container import pack, unpack
from proxyset.wire.questions import ABSTAINED, QUESTIONS_LIMIT, LabelRelease, _QuestionsHeader
from tests.e2e.browser import CHROMIUM, approve, chromium, listening, serving, violations, width
from tests.e2e.worlds import HOSTILE, draw_labelled, picture_index, picture_questions

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")
ALLOWS = b'unit = "record"\nencoders = "any"\nmost_epsilon = 4.0\nmost_questions = 100\napprove_above = 0.5\n'
PURPOSE = f"to sort drawings {HOSTILE}"
ITEMS = 20


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Questions about pictures with hostile names, and 200 labeled drawings."""
    folder = tmp_path_factory.mktemp("labels")
    index = picture_index(folder, each=12, clusters=5, hostile=True)
    questions = picture_questions(folder / "proxy", index, ITEMS, PURPOSE)
    (folder / "questions").write_bytes(questions.data)
    draw_labelled(folder / "private", 40)
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def ledger(tmp_path):
    book = Ledger.open(tmp_path / "ledger", cap=Cap(8))
    make_key(book)
    adopt(book, ALLOWS)
    return book


@pytest.fixture
def ask(ledger, world):
    return inbox.put(ledger, (world / "questions").read_bytes(), HOSTILE)


@pytest.fixture
def page(world, ledger, ask):
    """The page on a socket of this process, with the questions in its inbox: where it opens."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = owner_page(ledger, Settings(str(world / "private"), Terms(2.0), labels=FOLDER), port)
    with listening(served.app, listener):
        yield f"http://127.0.0.1:{port}/login?token={served.token.value}"
    served.close()


def site_of(page):
    return page.partition("/login")[0]


@pytest.mark.browser
@needs_chromium
def test_an_owner_approves_questions_and_sees_what_left(world, ledger, browser, tmp_path, command):
    """The whole way: file, page, approval, labels, bytes, ledger, receipt, and the same answer again by the command."""
    arguments = ["client", "serve", ledger.path, "--data", world / "private", "--folder-names", "--port", 0]
    arguments += ["--questions", world / "questions", "--server", "carol"]
    context = browser.new_context(accept_downloads=True)
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    with serving(*arguments, state=tmp_path / "state") as facts:
        tab.goto(facts["url"])
        assert "asks for labels" in tab.locator(".cards").inner_text()
        tab.locator(".cards a").click()
        tab.locator(".pictures").wait_for()
        tab.wait_for_load_state()
        assert tab.locator("blockquote").first.inner_text() == PURPOSE  # shown, not run
        pictures = tab.locator(".pictures img")
        assert pictures.count() == ITEMS
        assert width(pictures.first) > 0
        assert any(HOSTILE in name for name in tab.locator(".pictures .name").all_inner_texts())
        assert [tag.strip() for tag in tab.locator("#question ~ p .tag").all_inner_texts()] == [
            "disc", "square", "cross", "stripes", "ring"
        ]  # fmt: skip
        tab.get_by_label("Privacy loss").fill("3")
        tab.get_by_label("About how many").fill("200")
        tab.get_by_role("button", name="Work it out").click()
        assert f"of {ITEMS}" in tab.locator("#worth ~ .scroll tbody").inner_text()
        before = ledger.entries()
        approve(tab)
        tab.get_by_role("link", name="see exactly what left").click()
        new = ledger.entries()[len(before) :]
        assert [entry.kind for entry in new] == ["approval", "debit", "labels"]
        assert new[0].probe == new[2].probe == ledger.label_releases()[-1][1].probe
        assert (new[0].epsilon, new[0].server) == (3.0, "carol")
        with tab.expect_download() as download:
            tab.get_by_role("link", name="Save these bytes").click()
        download.value.save_as(tmp_path / "saved")
        release = LabelRelease.from_bytes((tmp_path / "saved").read_bytes())
        assert release.fingerprint == new[-1].digest and release.receipt
        abstained = int((release.labels == ABSTAINED).sum())
        size = (tmp_path / "saved").stat().st_size
        assert f"{abstained} of them “no answer”), {size:,} bytes" in tab.locator(".lead").inner_text()
        tab.get_by_text("Item by item").click()
        given = tab.locator("details .scroll tbody tr td").all_inner_texts()
        classes = [*("disc", "square", "cross", "stripes", "ring"), "no answer"]  # −1 is the last
        assert given == [classes[label] for label in release.labels]
        tab.get_by_role("button", name="Verify").click()
        assert "The receipt is genuine" in tab.locator(".notice").first.inner_text()
    title = tab.title()
    context.close()
    assert (complaints, "pwned" in title) == ([], False)
    # the command finds the approval, and the stored answer
    words = ("client-label", "answer", world / "questions", "--data", world / "private", "--folder-names")
    words += (
        "--epsilon",
        3,
        "--ledger",
        ledger.path,
        "--server",
        "carol",
        "--out",
        tmp_path / "again",
        "--json",
    )
    status, told, _ = command(*words)
    assert (status, told["debited_rho"]) == (0, 0)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "saved").read_bytes()


@pytest.mark.browser
@needs_chromium
def test_axe_finds_nothing_and_a_phone_cuts_off_nothing(page, browser):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab = context.new_page()

    def checked():
        for summary in tab.locator("summary").all():
            summary.click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, tab.url
        return violations(tab)

    tab.goto(page)
    found = checked()
    tab.locator(".cards a").click()
    tab.locator(".pictures").wait_for()
    found += checked()
    approve(tab)
    tab.get_by_role("link", name="see exactly what left").wait_for()
    found += checked()
    tab.get_by_role("link", name="see exactly what left").click()
    tab.get_by_role("button", name="Verify").wait_for()
    tab.wait_for_load_state()
    found += checked()
    tab.goto(site_of(page) + "/")
    tab.locator(".tiles").wait_for()
    found += violations(tab)
    context.close()
    assert found == []


@pytest.mark.browser
@needs_chromium
def test_without_script(page, ledger, browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page)
    tab.locator(".cards a").click()
    approve(tab)
    for _ in range(50):
        if tab.get_by_role("link", name="see exactly what left").count():
            break
        tab.wait_for_timeout(200)
        tab.reload()
    assert ledger.account().debits == 1
    context.close()


# What is refused, without a browser


@pytest.fixture
def visitor(page):
    """A client that is logged in, and the token of its session."""
    with httpx2.Client(base_url=site_of(page), headers={"origin": site_of(page)}) as client:
        assert client.get(page).status_code == 303
        yield client, re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)[1]


def done(client, ask):
    """What became of the work on an ask."""
    for _ in range(400):
        answer = client.get(f"/asks/{ask.name}/progress")
        if answer.headers["x-done"] == "yes":
            return answer.text
        time.sleep(0.05)
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (b'unit = "record"\nencoders = "any"\n', "allows labels of at most 0 public items"),
        (
            b'unit = "record"\nencoders = "any"\nmost_questions = 19\n',
            "at most 19 public items at once, not 20",
        ),
        (b'unit = "record"\nencoders = "any"\nmost_questions = 100\nmost_epsilon = 1.0\n', "at most ε = 1.0"),
        (
            b'unit = "record"\nencoders = "any"\nmost_questions = 100\nservers = ["https://other.example"]\n',
            "the server",
        ),
        (b'unit = "person"\nencoders = "any"\nmax_records = 2\nmost_questions = 100\n', "demands unit"),
        (b'unit = "record"\nencoders = "any"\nmost_questions = 100\nmedoids = true\n', "committed to"),
    ],
)
def test_what_the_policy_does_not_allow_is_not_answered(visitor, ledger, ask, policy, says):
    client, csrf = visitor
    adopt(ledger, policy)
    before = ledger.entries()
    assert says in client.get(f"/asks/{ask.name}").text
    assert client.post(f"/asks/{ask.name}/approve", data={"csrf": csrf}).status_code == 409
    assert ledger.entries() == before


def test_without_a_policy_no_labels_leave(world, tmp_path):
    ledger = Ledger.open(tmp_path / "bare")
    ask = inbox.put(ledger, (world / "questions").read_bytes())
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = owner_page(ledger, Settings(str(world / "private"), Terms(2.0), labels=FOLDER), port)
    site = f"http://127.0.0.1:{port}"
    with (
        listening(served.app, listener),
        httpx2.Client(base_url=site, headers={"origin": site}) as client,
    ):
        client.get(f"/login?token={served.token.value}")
        shown = client.get(f"/asks/{ask.name}", follow_redirects=True).text
        csrf = re.search(r'name="csrf" value="([^"]+)"', shown)[1]
        before = ledger.entries()
        assert "No policy is in force" in shown
        assert client.post(f"/asks/{ask.name}/approve", data={"csrf": csrf}).status_code == 409
    served.close()
    assert ledger.entries() == before


def test_an_approval_is_for_these_bytes_and_this_cost_alone(visitor, world, ledger, ask, command, tmp_path):
    """The same questions in other words, for another server, or for a larger ε: nobody agreed to that."""
    client, csrf = visitor
    answered = client.post(f"/asks/{ask.name}/approve", data={"csrf": csrf, "epsilon": "1"})
    assert answered.status_code == 303
    assert "items got a label" in done(client, ask) and ledger.account().debits == 1
    header, tensors = unpack((world / "questions").read_bytes(), _QuestionsHeader, "", QUESTIONS_LIMIT)
    (tmp_path / "other").write_bytes(pack(header.model_copy(update={"purpose": "other words"}), tensors))

    def answer(file, server, epsilon):
        words = ("client-label", "answer", file, "--data", world / "private", "--folder-names", "--ledger")
        words += (ledger.path, "--server", server, "--epsilon", epsilon, "--out", tmp_path / "out")
        return command(*words)[0]

    assert answer(tmp_path / "other", HOSTILE, 1) == 3
    assert answer(world / "questions", "another", 1) == 3
    assert answer(world / "questions", HOSTILE, 1.1) == 3
    assert (ledger.account().debits, (tmp_path / "out").exists()) == (1, False)
    assert answer(world / "questions", HOSTILE, 1) == 0


def test_a_refusal_stays(visitor, world, ledger, ask, command, tmp_path):
    client, csrf = visitor
    refused = client.post(f"/asks/{ask.name}/refuse", data={"csrf": csrf, "note": "no labels"})
    assert refused.headers["location"] == "/"
    assert ask.name in client.get("/").text.partition('id="refused"')[2]
    words = ("client-label", "answer", world / "questions", "--data", world / "private", "--folder-names")
    words += ("--epsilon", 1, "--ledger", ledger.path, "--approve", "--out", tmp_path / "never")
    assert command(*words)[0] == 3
    assert ledger.spent() == 0
    assert client.post(f"/asks/{ask.name}/remove", data={"csrf": csrf}).status_code == 303
    assert client.get(f"/asks/{ask.name}").status_code == 404
    assert inbox.message_of(ledger, ask.probe) is None


def test_questions_that_lie_about_their_items_are_not_answered(visitor, world, ledger):
    client, csrf = visitor
    header, tensors = unpack((world / "questions").read_bytes(), _QuestionsHeader, "", QUESTIONS_LIMIT)
    pictures, ends = tensors["items.contents"].tobytes(), tensors["items.ends"].tolist()
    swapped = pictures[ends[0] : ends[1]] + pictures[: ends[0]] + pictures[ends[1] :]
    tensors["items.contents"] = np.frombuffer(swapped, np.uint8)
    tensors["items.ends"] = np.array([ends[1] - ends[0], *ends[1:]], np.int64)
    data = pack(header, tensors)
    liar = inbox.put(ledger, data, "liar")
    assert "is not what it claims" in client.get(f"/asks/{liar.name}").text
    assert client.post(f"/asks/{liar.name}/approve", data={"csrf": csrf}).status_code == 409
    assert ledger.spent() == 0
    from proxyset.client.labeling import answer_questions

    with pytest.raises(Refused, match="is not what it claims"):
        answer_questions(
            data, world / "private", FOLDER, epsilon=1.0, ledger=ledger, server="liar", approved=True
        )
    assert ledger.spent() == 0


def test_pictures_that_are_none_are_shown_as_such(visitor, world, ledger):
    client, _ = visitor
    header, tensors = unpack((world / "questions").read_bytes(), _QuestionsHeader, "", QUESTIONS_LIMIT)
    junk = b"<svg onload='alert(1)'/>".ljust(40) * ITEMS
    tensors["items.contents"] = np.frombuffer(junk, np.uint8)
    tensors["items.ends"] = np.arange(40, len(junk) + 1, 40, dtype=np.int64)
    ask = inbox.put(ledger, pack(header, tensors))
    assert "cannot be encoded" in client.get(f"/asks/{ask.name}").text
    shown = client.get(f"/probes/{ask.probe}/0.png")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/svg+xml")
    assert b"onload" not in shown.content
    assert client.get(f"/probes/{ask.probe}/{ITEMS}.png").status_code == 404
    assert client.get(f"/probes/{'0' * 64}/0.png").status_code == 404
    assert client.get("/probes/..%2fledger/0.png").status_code == 404


def test_forged_forms_and_strangers(page, visitor, ledger, ask):
    client, csrf = visitor
    before, url = ledger.entries(), f"/asks/{ask.name}/approve"
    assert client.post(url).status_code == 403
    assert client.post(url, data={"csrf": csrf[::-1]}).status_code == 403
    for foreign in ("http://evil.example", "null"):
        assert client.post(url, data={"csrf": csrf}, headers={"origin": foreign}).status_code == 403
    stranger = httpx2.get(site_of(page) + f"/asks/{ask.name}")
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/login")
    assert ledger.entries() == before


def test_a_file_of_questions_is_put_in_on_the_page(visitor, world, ledger):
    client, csrf = visitor
    data = (world / "questions").read_bytes()
    taken = client.post("/file", data={"csrf": csrf, "server": "dave"}, files={"probe": ("q", data)})
    ask = inbox.find(ledger, taken.headers["location"].rpartition("/")[2])
    assert ask is not None and (ask.kind, ask.server) == ("questions", "dave")
    assert "asks for labels" in client.get(taken.headers["location"]).text
