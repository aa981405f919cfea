"""Every parameter of every route, with numbers and strings that nobody means: 4xx or an answer, never 5xx."""

import re
import string

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Mount

from proxyset.server.app import create_app
from proxyset.server.page.app import mount_page
from proxyset.server.records import Scope
from proxyset.server.state import State
from tests.server.running import begin, new_client, signed, tiny_index
from tests.server.test_attacks import running

NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e30",
    "-1",
    "0",
    "0.5",
    "1e400",
    "9" * 30,
    "9" * 5000,
    "٣",
    "0x10",
    "1_0",
    " ",
    "--",
    "1e-400",
)
TEXTS = (
    "",
    "\0",
    "\u202e",
    "a" * 5000,
    "../../etc",
    "%00",
    "'",
    '"><b>',
    "\ud7ff\U0010ffff",
    "one",
    "None",
    "é" * 300,
    "\r\nx: y",
)
ASKED = ("form", "page", "q")  # of a GET
FIELDS = (
    "token", "csrf", "name", "index", "purpose", "strategy", "deadline", "epsilon_low", "epsilon_high", "delta", "unit",
    "max_records", "adjacency", "budget", "seed", "form", "page", "q", "id", "key", "days", "ask", "search",
)  # fmt: skip
VALUES = (
    st.sampled_from(NUMBERS + TEXTS) | st.text(max_size=20) | st.floats().map(str) | st.integers().map(str)
)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The server, a client of its page that is logged in, and its routes."""
    folder = tmp_path_factory.mktemp("hostile")
    state = State.open(folder / "state")
    index = tiny_index(folder)
    begin(state, index, "one")
    bearer = state.create_operator("all", Scope)
    with running(state) as (url, _), httpx2.Client(base_url=url, headers={"origin": url}) as page:
        assert page.post("/page/login", data={"token": bearer}).status_code == 303
        csrf = re.search('name="csrf" value="([^"]+)"', page.get("/page/new").text)[1]
        yield url, state, bearer, page, csrf, index.fingerprint
    state.close()


def paths(state, method):
    app = create_app(state)
    mount_page(app, state).close()
    (page,) = (route for route in app.routes if isinstance(route, Mount))
    found = [page.path + each.path for each in page.app.app.routes if method in each.methods]
    return sorted(path for path in found if not path.endswith(("login", "logout", "{name}")))


def filled(path, values):
    """The path with values in the place of its parameters; the campaign is one that is there, most of the time."""
    quoted = [
        re.sub("[^" + re.escape(string.ascii_letters + string.digits + "-._") + "]", "", value)[:300] or "1"
        for value in values
    ]
    names = iter(quoted)
    return re.sub(
        r"{\w+}",
        lambda found: "one" if found[0] == "{campaign}" and len(quoted[0]) % 4 else next(names),
        path,
    )


EXPLORE = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_page(service, method):
    _, state, _, page, csrf, index = service
    routes = paths(state, method)
    statuses = set()

    @EXPLORE
    @given(
        st.sampled_from(routes),
        st.lists(VALUES, min_size=4, max_size=4),
        st.dictionaries(st.sampled_from(FIELDS if method == "POST" else ASKED), VALUES),
    )
    def ask(path, values, fields):
        target = filled(path, values)
        if method == "GET":
            answer = page.get(target, params=fields)
        else:
            sane = {"csrf": csrf, "index": index, "name": "two", "budget": "5", "strategy": "ecos"}
            answer = page.post(
                target, data=sane | {name: value for name, value in fields.items() if name != "csrf"}
            )
        assert answer.status_code < 500, (target, fields, answer.text[:500])
        statuses.add(answer.status_code)

    ask()
    assert len(statuses) > 2, statuses


@pytest.mark.parametrize(
    "path", ["/page/campaigns/one/clusters/", "/page/campaigns/one/sets/", "/page/campaigns/one/sets/1/"]
)
@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "-1", "%d9%a3", "nan"])
def test_numbers_in_paths(service, path, number):
    page = service[3]
    for end in ("", "/near", ".png", "/0.png", "/file"):
        assert page.get(f"{path}{number}{end}").status_code in (400, 404), (path, number, end)


@pytest.mark.parametrize("number", ["nan", "inf", "1e30", "-inf", "9" * 400])
def test_numbers_of_campaigns(service, number):
    """Each alone is wrong: 422, and the page says which."""
    url, _, bearer, page, csrf, index = service
    for name in ("epsilon_low", "epsilon_high", "delta", "max_records", "budget"):
        form = {"csrf": csrf, "index": index, "name": "three", "budget": "5", "strategy": "ecos"}
        answer = page.post("/page/new", data=form | {name: number})
        assert answer.status_code == 422, (name, answer.text)
    for field in (
        '"days": NaN',
        '"days": Infinity',
        '"days": 1e400',
        '"days": -1',
        '"name": "\\u202e"',
        '"name": 5',
        '"name": ""',
    ):
        body = "{" + ("" if "name" in field else '"name": "x", ') + field + "}"
        headers = {"authorization": f"Bearer {bearer}"}
        answer = httpx2.post(f"{url}/v1/operator/enroll-tokens", content=body, headers=headers)
        assert answer.status_code == 422, (field, answer.text)


def test_agents_routes(service):
    url, state = service[:2]
    key = new_client(state)

    @EXPLORE
    @given(st.lists(VALUES, min_size=1, max_size=1), st.sampled_from(["probe", "model", "releases"]))
    def ask(values, what):
        method = "POST" if what == "releases" else "GET"
        answer = signed(
            key,
            method,
            f"{url}/v1/campaigns/{filled('{x}', values)}/{what}",
            b"x" if method == "POST" else b"",
        )
        assert 400 <= answer.status_code < 500 or answer.status_code == 200

    ask()
