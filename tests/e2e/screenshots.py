"""Pictures of every page of the owner and of the operator, in both themes and at phone width.

    python -m tests.e2e.screenshots OUT [--docs] [WALK ...]

With a server of nobody, of three clients, of 10,000, and with a sum of two parties; or only the walks that are named. With --docs,
what docs/pages.md shows: each page of the owner and of the operator once, its three forms side by side at half size and with few
colours, and a few whole.
"""

from __future__ import annotations

import io
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from proxyset.agent import inbox
from proxyset.agent.page.app import owner_page
from proxyset.agent.page.settings import Settings
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.private_data import FOLDER
from proxyset.client.receipts import make_key
from proxyset.client.terms import Terms
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.server import campaigns
from proxyset.server.app import create_app
from proxyset.server.limits import Limits
from proxyset.server.page.app import mount_page
from proxyset.server.records import Scope
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from proxyset.train.metrics_file import MetricsFile
from proxyset.wire.campaign import Ask
from tests.e2e.browser import approve, chromium, listening
from tests.e2e.crowds import crowd
from tests.e2e.worlds import draw_labelled, operator_state, picture_index, picture_questions, table_probe
from tests.server.running import running
from tests.server.two_party.parties import POLICY, begin_sum, client_of, helping, leader

FORMS = {  # name → what the browser is
    "light": {"viewport": {"width": 1100, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1100, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}, "color_scheme": "light", "device_scale_factor": 2},
}
WHOLE = {
    "owner-home-light",
    "owner-ask-light",
    "owner-label-light",
    "owner-table-light",
    "operator-campaign-light",
    "operator-set-light",
}  # at full size in the docs
OWN_POLICY = b'unit = "record"\nencoders = "any"\nmost_questions = 200\n[cap]\nepsilon = 2.0\ndelta = 1e-5\n'
_TALLEST = 1300  # pixels of a picture in the docs; a phone's gallery goes on for long
Shoot = Callable[[str], None]


def main(out: Path, docs: bool, walks: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        home = Path(name)
        os.environ["HOME"] = name  # the page shows places below it as ~
        index = picture_index(home / "public", each=60, clusters=24)
        for form, options in FORMS.items():
            (home / form).mkdir()
            for who, walk in WALKS.items():
                if who not in walks:
                    continue
                context = browser.new_context(**options)
                tab = context.new_page()

                def shoot(page: str, tab: Any = tab, prefix: str = who, form: str = form) -> None:
                    loaded(tab)
                    save(tab.screenshot(full_page=True), out / f"{prefix}-{page}-{form}.png")

                walk(tab, shoot, home / form, index)
                context.close()
    if docs:
        for light in sorted(out.glob("*-light.png")):
            lay_side_by_side(light)
        for picture in out.glob("*-*-*.png"):
            if picture.stem in WHOLE:
                with_few_colours(picture)
            else:
                picture.unlink()


def owner(tab: Any, shoot: Shoot, home: Path, index: Index) -> None:
    """Everything an owner sees, from the link in the terminal to what left."""
    ledger = Ledger.open(home / "ledger.sqlite", cap=Cap(2))
    make_key(ledger)
    data = draw_labelled(home / "drawings", 48)
    for purpose, server in (("", ""), ("To train a sorter of drawn shapes.", "https://cloud.example")):
        inbox.put(ledger, index.probe(purpose=purpose).data, server)
    adopt(ledger, OWN_POLICY)
    questions = picture_questions(home / "proxy", index, 40, "To train a sorter of drawn shapes.")
    inbox.put(ledger, questions.data, "studio.example")
    table = table_probe(home / "table", purpose="To train a model of readmission.")
    inbox.put(ledger, table.data, "registry.example")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    page = owner_page(ledger, Settings(str(data), Terms(0.5), records=240, labels=FOLDER), port)
    site = f"http://127.0.0.1:{port}"
    with listening(page.app, listener):
        tab.goto(f"{site}/login")
        shoot("login")
        tab.goto(f"{site}/login?token={page.token.value}")
        tab.get_by_role("link", name="https://cloud.example").click()
        shoot("ask")
        for epsilon in ("0.5", "0.3", "0.7"):
            tab.get_by_label("Privacy loss").fill(epsilon)
            tab.get_by_role("button", name="Work it out").click()
            approve(tab)
            tab.get_by_text("was debited").wait_for()
        tab.get_by_role("link", name="see exactly what left").last.click()
        tab.get_by_role("button", name="Count again").click()
        shoot("sent")
        tab.goto(f"{site}/")
        tab.get_by_role("link", name="studio.example").click()
        tab.get_by_label("Privacy loss").fill("1.4")
        tab.get_by_role("button", name="Work it out").click()
        shoot("label")
        approve(tab)
        tab.get_by_role("link", name="see exactly what left").click()
        tab.get_by_text("Item by item").click()
        shoot("labelled")
        tab.goto(f"{site}/")
        shoot("home")
        tab.get_by_role("link", name="registry.example").click()
        shoot("table")
        tab.goto(f"{site}/report")
        shoot("report")
        tab.goto(f"{site}/nothing")
        shoot("error")
    page.close()


@contextmanager
def logged_in(tab: Any, state: State, name: str = "ada") -> Iterator[str]:
    """The address of the operator's page of a state, which `tab` is logged in to."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(state, limits=Limits(address=0))
    desk = mount_page(app, state)
    site = f"http://127.0.0.1:{listener.getsockname()[1]}/page"
    with listening(app, listener):
        tab.goto(f"{site}/login")
        tab.get_by_label("Operator’s token").fill(state.accounts.create(name, list(Scope)))
        tab.get_by_role("button", name="Log in").click()
        tab.get_by_role("heading", name="Campaigns", exact=True).wait_for()
        yield site
    desk.close()


def nobody(tab: Any, shoot: Shoot, home: Path, index: Index) -> None:
    """A server that has just begun; then its first campaign, of a thousand clusters, which nobody can answer."""
    state = State.open(home / "nobody")
    with logged_in(tab, state) as site:
        for page in ("", "new", "clients", "invitations", "indexes", "operators", "acts", "progress"):
            tab.goto(f"{site}/{page}")
            shoot(page or "home")
        many = build_index(many_points(home / "points.npy"), home / "thousand", clusters=1000)
        campaigns.create(
            state, "silence", many, Ask(), budget=60, purpose="Which of these points are like yours?"
        )
        tab.goto(f"{site}/campaigns/silence")
        tab.locator(".map").wait_for()
        shoot("campaign")
        tab.goto(f"{site}/campaigns/silence/clusters")
        shoot("clusters")
    state.close()


def crowded(tab: Any, shoot: Shoot, home: Path, index: Index) -> None:
    """What an operator of 10,000 clients sees."""
    folder = home.parent / "crowd"
    state = State.open(folder / "state") if folder.exists() else crowd(folder, 10_000)
    with logged_in(tab, state, home.name) as site:
        tab.goto(f"{site}/campaigns/drawings")
        shoot("drawing")
        for page in ("", "clients", "clients?page=7&q=phone+00", "clients?q=nobody", "invitations", "acts"):
            tab.goto(f"{site}/{page}")
            shoot(
                {"": "home", "clients?page=7&q=phone+00": "found", "clients?q=nobody": "missed"}.get(
                    page, page
                )
            )
        tab.goto(f"{site}/clients")
        tab.get_by_role("link", name="Revoke").first.click()
        shoot("revoke")
        tab.get_by_role("button", name="Revoke it").click()
        shoot("revoked")
        tab.goto(f"{site}/invitations")
        tab.get_by_label("Name of the client").fill("clinic on the hill")
        tab.get_by_role("button", name="Make a token").click()
        shoot("invited")
        tab.get_by_role("link", name="Withdraw").first.click()
        shoot("withdraw")
        tab.goto(f"{site}/campaigns/drawings")
        tab.get_by_text("no more than noise").wait_for(timeout=300_000)
        shoot("campaign")
        tab.get_by_role("link", name="Close it").click()
        shoot("close")
        tab.goto(f"{site}/campaigns/drawings/answers?page=3")
        shoot("answers")
        tab.goto(f"{site}/campaigns/drawings/clusters")
        shoot("clusters")
        tab.goto(f"{site}/meaning")
        shoot("meaning")
    state.close()


def two_parties(tab: Any, shoot: Shoot, home: Path, index: Index) -> None:
    """A sum of two parties: what its operator sees, stage by stage, and what an owner sees of it."""
    state, points = State.open(home / "sums"), many_points(home / "few.npy", 60)
    pool = build_index(points, home / "pool", clusters=5)
    with helping(home / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, pool, helper)
        found = sums_of(state).find("wards")
        assert found is not None
        policy = POLICY.format(found.task.helper)
        agents = [client_of(state, url, home, number, policy) for number in range(4)]
        asking = client_of(state, url, home, 4, policy + "\napprove_above = 0.5\n")
        for agent in (*agents, asking):
            agent.round()
        with logged_in(tab, state) as site:
            tab.goto(f"{site}/campaigns/wards")
            shoot("collecting")
            tab.get_by_role("link", name="Close it").click()
            shoot("close")
            tab.get_by_role("button", name="Close it").click()
            tab.get_by_role("link", name="Add up and open").click()
            shoot("open")
            tab.get_by_role("button", name="Add up and open").click()
            tab.get_by_text("The sum was opened").wait_for(timeout=120_000)
            shoot("opened")
            tab.goto(site)
            shoot("home")
    for ledger, walk in ((asking.ledger, owner_of_question), (agents[0].ledger, owner_of_report)):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        page = owner_page(ledger, Settings(str(points), Terms(0.5)), port)
        with listening(page.app, listener):
            tab.goto(f"http://127.0.0.1:{port}/login?token={page.token.value}")
            walk(tab, shoot)
        page.close()
    state.close()


def owner_of_question(tab: Any, shoot: Shoot) -> None:
    """An agent was asked for a report, and its owner wants to say yes or no."""
    tab.locator(".cards a").first.click()
    shoot("ask")
    tab.get_by_role("button", name="Approve").click()
    shoot("approve")


def owner_of_report(tab: Any, shoot: Shoot) -> None:
    """An agent has sent a report."""
    tab.get_by_text("What you accepted").click()
    shoot("owner")
    tab.get_by_role("link", name="entry").first.click()
    shoot("sent")
    tab.get_by_role("link", name="Report", exact=True).click()
    shoot("report")


def many_points(path: Path, count: int = 20_000) -> Path:
    """Embeddings around a hundred centres, some of them crowded."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(100, 4)) * 3
    chosen = rng.choice(100, count, p=rng.dirichlet(np.full(100, 0.5)))
    np.save(path, (centres[chosen] + rng.normal(size=(count, 4))).astype(np.float32))
    return path


def operator(tab: Any, shoot: Shoot, home: Path, index: Index) -> None:
    """Everything an operator sees, from the login to the proxy set."""
    state = operator_state(home / "cloud", each=80, clusters=40, hostile=False)
    run = MetricsFile(home / "sorter", 400)
    for step in range(10, 260, 10):
        run.log(step, {"loss": 2.3 * 0.99**step, "accuracy": 0.93 - 0.8 * 0.985**step})
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(state, limits=Limits(address=0))
    desk = mount_page(app, state, watched=[home / "cloud" / "index", home / "sorter"])
    site = f"http://127.0.0.1:{listener.getsockname()[1]}/page"
    with listening(app, listener):
        tab.goto(f"{site}/login")
        shoot("login")
        tab.get_by_label("Operator’s token").fill(state.accounts.create("ada", list(Scope)))
        tab.get_by_role("button", name="Log in").click()
        tab.get_by_role("link", name="Begin a campaign").click()
        shoot("new")
        campaigns.draw(state, "drawings", budget=48)
        tab.goto(f"{site}/campaigns/drawings")
        tab.locator(".map a").nth(3).focus()
        tab.locator("#near img").last.evaluate(
            "i => i.complete || new Promise(done => i.onload = () => done(true))"
        )
        shoot("campaign")
        tab.get_by_role("link", name="set 1").click()
        tab.get_by_role("button", name="Estimate the gain").click()
        tab.get_by_text("estimated accuracy").wait_for()
        shoot("set")
        tab.goto(f"{site}/campaigns/drawings/clusters/7")
        shoot("cluster")
        tab.goto(f"{site}/clients")
        shoot("clients")
        tab.goto(f"{site}/progress")
        tab.locator(".card").last.wait_for()
        shoot("progress")
        tab.goto(f"{site}/")
        shoot("home")
    desk.close()
    state.close()


def loaded(tab: Any) -> None:
    """Wait for every picture, also those that load when they come into view."""
    tab.evaluate("""async () => {
        for (const image of document.images) {
            image.loading = "eager";
            if (!image.complete) await new Promise(done => { image.onload = image.onerror = done; });
        }
    }""")


def save(png: bytes, file: Path) -> None:
    """Write a picture; a phone's has two pixels for one."""
    with Image.open(io.BytesIO(png)) as image:
        picture = image.convert("RGB")
    if "phone" in file.name:
        picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    picture.save(file)


def lay_side_by_side(light: Path) -> None:
    """The three forms of a page as one picture, at half size."""
    pictures = []
    for form in FORMS:
        with Image.open(light.with_name(light.name.replace("light", form))) as image:
            small = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
            pictures.append(small.crop((0, 0, small.width, min(small.height, _TALLEST))))
    gap = 12
    width, height = (
        sum(p.width for p in pictures) + gap * (len(pictures) - 1),
        max(p.height for p in pictures),
    )
    sheet, at = Image.new("RGB", (width, height), "#fbfaf7"), 0
    for picture in pictures:
        sheet.paste(picture, (at, 0))
        at += picture.width + gap
    file = light.with_name(light.name.replace("-light", ""))
    sheet.save(file)
    with_few_colours(file)


def with_few_colours(file: Path) -> None:
    with Image.open(file) as image:
        few = image.convert("RGB").quantize(128, Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


WALKS = {
    "owner": owner,
    "operator": operator,
    "nobody": nobody,
    "crowd": crowded,
    "parties": two_parties,
}

if __name__ == "__main__":
    DOCS, NAMED = "--docs" in sys.argv, [name for name in sys.argv[2:] if name in WALKS]
    main(Path(sys.argv[1]), DOCS, NAMED or (("owner", "operator") if DOCS else tuple(WALKS)))
