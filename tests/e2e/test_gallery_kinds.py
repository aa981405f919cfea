"""Both pages where there are no pictures: pools of texts, of a table, of ready embeddings. In a real browser."""

from __future__ import annotations

import json
import socket

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.agent import inbox
from proxyset.agent.page.app import owner_page
from proxyset.agent.page.settings import Settings
from proxyset.client.answer import answer
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.receipts import make_key
from proxyset.client.terms import Terms
from proxyset.cloud.build import build_index
from proxyset.cloud.label_questions import ask_labels
from proxyset.cloud.proxy_set import select
from proxyset.server import campaigns
from proxyset.server.app import create_app
from proxyset.server.limits import Limits
from proxyset.server.page.app import mount_page
from proxyset.server.records import Scope
from proxyset.server.state import State
from proxyset.wire.campaign import Ask
from tests.e2e.browser import CHROMIUM, approve, chromium, listening, violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}"),
]
SCRIPT = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
COUNT = 40
KINDS = ("text", "table-csv", "table-parquet", "embedding")


def shown(*kinds):
    """Parameters: these kinds in the suite, all others by `make thorough`."""
    return [pytest.param(kind, marks=() if kind in kinds else pytest.mark.thorough) for kind in KINDS]


SHOWN = {  # what a gallery must show of some item of a pool
    "text": SCRIPT,
    "table-csv": f"colour: {SCRIPT}",
    "table-parquet": f"colour: {SCRIPT}",
    "embedding": "5 numbers: ",
}


def pool_of(kind, folder, seed):
    """A small pool, or private data, of a kind; its texts and categories would run in a careless page."""
    rng = np.random.default_rng(seed)
    if kind == "embedding":
        np.save(folder / f"{seed}.npy", (rng.normal(size=(COUNT, 5)) + 9 * (np.arange(COUNT) % 2)[:, None]))
        return folder / f"{seed}.npy"
    if kind == "text":
        words = ["engine", "valve", "piston", "torque"], ["violin", "sonata", "concert", "piano"]
        texts = [f"{' '.join(rng.choice(words[n % 2], 5))}\nsecond line & {SCRIPT}" for n in range(COUNT)]
        lines = [json.dumps({"id": f"text {SCRIPT}{n}", "text": text}) for n, text in enumerate(texts)]
        (folder / f"{seed}.jsonl").write_text("\n".join(lines))
        return folder / f"{seed}.jsonl"
    rows = pa.table(
        {
            "height": rng.normal(9 * (np.arange(COUNT) % 2), 1),
            "colour": ["red" if n % 2 else SCRIPT for n in range(COUNT)],
            "notes": [None if n % 3 else "very " * 200 for n in range(COUNT)],
        }
    )
    if kind == "table-csv":
        from pyarrow import csv

        csv.write_csv(rows, folder / f"{seed}.csv")
        return folder / f"{seed}.csv"
    pq.write_table(rows, folder / f"{seed}.parquet")
    return folder / f"{seed}.parquet"


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    """For each kind, an index whose probes are of real items, and private data."""
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        index = build_index(pool_of(kind, folder, 0), folder / "index", clusters=4, medoids=True)
        found[kind] = index, pool_of(kind, folder, 1)
    return found


@pytest.fixture(scope="module")
def cloud(indexes, tmp_path_factory):
    """A server with a campaign of each kind, an answer and a proxy set in each: its address, and a token."""
    folder = tmp_path_factory.mktemp("cloud")
    state = State.open(folder / "state")
    ledger = Ledger.open(folder / "ledger", cap=Cap(20))
    state.add_client(make_key(ledger), "clinic")
    for kind, (index, private) in indexes.items():
        campaign = campaigns.create(state, kind, index, Ask(epsilon_high=5), budget=12)
        probe = state.probe(campaign.probe)
        release = answer(probe, private, epsilon=2, ledger=ledger, server="a", new_index=True)
        campaigns.take_in(state, kind, [release.to_bytes()])
        campaigns.draw(state, kind, budget=COUNT)
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(state, limits=Limits(address=0))
    desk = mount_page(app, state)
    with listening(app, listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/page"
        yield url, state.accounts.create("ada", list(Scope)), state
    desk.close()
    state.close()


@pytest.fixture
def tab(browser):
    """A phone in the dark that complains about scripts that ran, and about pictures that did not come."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("response", lambda got: complaints.append(got.url) if got.status >= 400 else None)
    yield tab
    title = tab.title()
    context.close()
    assert (complaints, title == "pwned") == ([], False)


def look(tab, kind):
    """What is wrong with the page as it is: nothing cut off, no picture, no script of a stranger; nothing that axe finds in texts
    and in lists of names, which are all that there is: a table's rows and embeddings are written as texts are."""
    for summary in tab.locator("summary").all():
        summary.click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390, tab.url
    assert tab.locator("main img").count() == 0
    assert tab.locator("main script").count() == 0
    assert tab.title() != "pwned"
    return violations(tab) if kind == "text" or tab.locator(".names").count() else []


# what a table was read from is nothing that a page knows
@pytest.mark.parametrize("kind", shown("text", "table-parquet", "embedding"))
def test_the_operators_page(cloud, tab, kind):
    url, token, state = cloud
    tab.goto(f"{url}/login")
    tab.get_by_label("Operator’s token").fill(token)
    tab.get_by_role("button", name="Log in").click()
    tab.get_by_role("heading", name="Campaigns", exact=True).wait_for()
    tab.goto(f"{url}/campaigns/{kind}")
    tab.locator(".map a").first.focus()
    near = tab.locator("#near blockquote")
    near.first.wait_for()
    assert len(near.first.inner_text()) > 10
    found = look(tab, kind)
    tab.goto(f"{url}/campaigns/{kind}/clusters/0")
    assert tab.locator("main blockquote").count() >= 4
    found += look(tab, kind)
    tab.goto(f"{url}/campaigns/{kind}/sets/{state.selections(kind)[-1].id}")
    words = tab.locator("td.words").all_inner_texts()
    assert len(words) == COUNT
    assert any(SHOWN[kind] in each for each in words)
    assert all(len(each) <= 620 for each in words)
    if kind == "text":
        assert all("second line & " in each for each in words)
    found += look(tab, kind)
    assert found == []


# the owner sees texts, or names alone
@pytest.mark.parametrize("kind", shown("text", "table-parquet"))
def test_the_owners_page(indexes, tab, kind, tmp_path):
    index, private = indexes[kind]
    ledger = Ledger.open(tmp_path / "ledger", cap=Cap(4))
    ask = inbox.put(ledger, index.probe(purpose=SCRIPT).data, SCRIPT)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = owner_page(ledger, Settings(str(private), Terms(1.0)), port)
    with listening(served.app, listener):
        tab.goto(f"http://127.0.0.1:{port}/login?token={served.token.value}")
        found = look(tab, kind)
        tab.goto(f"http://127.0.0.1:{port}/asks/{ask.name}")
        if kind == "text":
            shown = tab.locator(".pictures blockquote").all_inner_texts()
            assert len(shown) == 4 and all(SCRIPT in each for each in shown)
            assert SCRIPT in tab.locator(".pictures .name").first.inner_text()
            assert tab.get_by_text("Your own encoder saw the same").count() == 1
        else:
            assert tab.locator(".names li").count() == 4
            assert tab.get_by_text("Only their names came along").count() == 1
        found += look(tab, kind)
        approve(tab)
        tab.get_by_role("link", name="see exactly what left").click()
        tab.get_by_role("button", name="Count again").click()
        rows = tab.locator("#counts ~ .scroll tbody tr")
        rows.first.wait_for()
        tab.wait_for_load_state()
        assert rows.count() == 4
        found += look(tab, kind)
    served.close()
    assert found == []


@pytest.mark.parametrize("kind", shown("text", "embedding"))
def test_questions_about_labels(indexes, tab, kind, tmp_path):
    index, private = indexes[kind]
    ledger = Ledger.open(tmp_path / "ledger", cap=Cap(4))
    proxy = select(index, [], tmp_path / "proxy", budget=9, strategy="random")
    asked = ask_labels(index, proxy, classes=[SCRIPT, "other"], items=True)
    ask = inbox.put(ledger, asked.data, "cloud")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = owner_page(ledger, Settings(str(private), Terms(1.0)), port)
    with listening(served.app, listener):
        tab.goto(f"http://127.0.0.1:{port}/login?token={served.token.value}")
        tab.goto(f"http://127.0.0.1:{port}/asks/{ask.name}")
        assert SCRIPT in tab.locator("#question ~ p .tag").first.inner_text()
        items = tab.locator(".pictures blockquote" if kind == "text" else ".names li")
        assert items.count() == 9
        assert kind != "text" or SCRIPT in items.first.inner_text()
        found = look(tab, kind)
    served.close()
    assert found == []
