"""Every parameter of every route, with numbers and strings that nobody means: 4xx or an answer, never 5xx."""

import itertools
import json
import re
from urllib.parse import quote, urlencode

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
from tests.server.test_attacks import answer_of, line, running

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
    "\ud800",
    "a\udfffb",
    "\u2066one\u2069",
    "..\\..\\x",
    "%2e%2e%2f",
    "{{7*7}}",
    "\x1b[2J",
)
FORM = {"content-type": "application/x-www-form-urlencoded"}
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
    bearer = state.accounts.create("all", Scope)
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
    names = iter([quote(raw(value)[:300], safe="") or "1" for value in values])
    sane = len(values[0]) % 4
    return re.sub(r"{\w+}", lambda found: "one" if found[0] == "{campaign}" and sane else next(names), path)


def raw(text):
    """Its bytes, where there are some that are no text, too."""
    return text.encode("utf-8", "surrogatepass")


def encoded(fields):
    """A query or a form."""
    return urlencode({name: raw(value) for name, value in fields.items()})


EXPLORE = settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
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
            answer = page.get(f"{target}?{encoded(fields)}")
        else:
            sane = {"csrf": csrf, "index": index, "name": "two", "budget": "5", "strategy": "ecos"}
            form = encoded(sane | {name: value for name, value in fields.items() if name != "csrf"})
            answer = page.post(target, content=form, headers=FORM)
        assert answer.status_code < 500, (target, fields, answer.text[:500])
        statuses.add(answer.status_code)

    ask()
    assert len(statuses) > 1, statuses


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
        target = f"{url}/v1/campaigns/{filled('{x}', values)}/{what}?{encoded({'x': values[0]})}"
        answer = signed(key, method, target, b"x" if method == "POST" else b"")
        assert 400 <= answer.status_code < 500 or answer.status_code == 200, target

    ask()


MESSAGES = {
    "id": "two", "index": "0" * 64, "budget": 5, "purpose": "", "strategy": "ecos", "deadline": None, "name": "x", "days": 7,
    "ask": {},
}  # fmt: skip
THINGS = (
    VALUES | st.floats() | st.integers() | st.none() | st.booleans() | st.just([]) | st.just({"delta": 2})
)


def test_operators_routes(service):
    url, state, bearer, *_, index = service
    routes = [
        (method.upper(), path)
        for path, methods in create_app(state).openapi()["paths"].items()
        for method in methods
        if "/operator/" in path
    ]
    assert len(routes) == 10
    statuses = set()

    @EXPLORE
    @given(
        st.sampled_from(routes),
        st.lists(VALUES, min_size=3, max_size=3),
        st.dictionaries(st.sampled_from(sorted(MESSAGES)), THINGS, max_size=2),
        st.sampled_from([dict, tuple, bytes]),
    )
    def ask(route, values, fields, kind):
        method, path = route
        target = f"{url}{filled(path, values)}?{encoded({'x': values[0]})}"
        named = ("name", "days") if path.endswith("enroll-tokens") else ("id", "index", "budget")
        sane = {name: MESSAGES[name] for name in named} | {"index": index}
        message = fields if kind is tuple else ({name: sane[name] for name in named} | fields)
        body = raw(values[1]) if kind is bytes else json.dumps(message).encode()
        headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
        answer = httpx2.request(method, target, content=body if method != "GET" else b"", headers=headers)
        assert answer.status_code < 500, (target, body, answer.text[:500])
        statuses.add(answer.status_code)

    ask()
    assert {200, 404, 422} <= statuses


@pytest.mark.parametrize(
    "body", [b"[" * 30_000, b'{"name": ' * 5_000, b"9" * 60_000, b'{"days": 1' + b"0" * 60_000 + b"}"]
)
def test_deep_and_long_messages(service, body):
    url, _, bearer, *_ = service
    headers = {"authorization": f"Bearer {bearer}"}
    for path in ("campaigns", "enroll-tokens"):
        assert httpx2.post(f"{url}/v1/operator/{path}", content=body, headers=headers).status_code == 422


HEADERS = ("authorization", "cookie", "origin", "content-type", "host", "x-forwarded-for")


def test_headers(service):
    """As bytes on a connection: no client would send them."""
    url = service[0]
    for name, value, path in itertools.product(
        HEADERS, NUMBERS + TEXTS, ("/v1/operator/clients", "/v1/campaigns", "/page/login")
    ):
        sent = re.sub(rb"[\0\r\n]", b"", raw(value))[:4000]
        for prefix in (b"Bearer ", b"Proxyset-Ed25519 ") if name == "authorization" else (b"",):
            with line(url) as connection:
                host = b"" if name == "host" else b"host: x\r\n"
                connection.sendall(
                    b"GET %s HTTP/1.1\r\n%sconnection: close\r\n%s: %s%s\r\n\r\n"
                    % (path.encode(), host, name.encode(), prefix, sent)
                )
                answer = answer_of(connection)
                assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), (name, value, answer)


def test_a_name_that_is_taken(service):
    url, _, bearer, *_, index = service
    headers = {"authorization": f"Bearer {bearer}"}
    new = {"id": "one", "index": index, "budget": 5}
    answer = httpx2.post(f"{url}/v1/operator/campaigns", json=new, headers=headers)
    assert answer.status_code == 409 and "another name" in answer.text
