"""Requests made up from the OpenAPI document find no 5xx. Bounded, offline, over a real socket."""

import warnings

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from proxyset.server.records import Scope
from proxyset.server.state import State
from proxyset.wire.signed_request import authorization
from tests.server.running import begin, new_client, running, tiny_index

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own dependencies
    requests = pytest.importorskip("requests")
    openapi = pytest.importorskip("schemathesis").openapi

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    state = State.open(folder / "state")
    begin(state, tiny_index(folder), "one")
    bearer = state.accounts.create("all", Scope)
    with running(state) as url:
        yield url, new_client(state), bearer, httpx2.get(f"{url}/openapi.json").json()
    state.close()


def test_the_document_names_the_schemes(service):
    schemes = service[3]["components"]["securitySchemes"]
    assert schemes["agent"]["in"] == "header" and schemes["operator"]["scheme"] == "bearer"
    for path, methods in service[3]["paths"].items():
        for described in methods.values():
            assert "security" in described or path == "/healthz", path


@pytest.mark.parametrize("examples", [4, pytest.param(15, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("rights", ["none", "all"])
def test_no_request_finds_a_5xx(service, rights, examples):
    """With `all`, each is signed, or carries a token of every scope, so that it gets past the door."""
    url, key, bearer, document = service
    schema = openapi.from_dict(document)
    seen = []

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            request = case.as_transport_kwargs(base_url=url)
            prepared = requests.Request(**request_of(request)).prepare()
            body = prepared.body or b""
            body = body.encode() if isinstance(body, str) else body
            headers = {name: value for name, value in prepared.headers.items() if is_sendable(value)}
            headers.pop("Authorization", None)
            if rights == "all" and ("/operator/" in prepared.url or "/metrics" in prepared.url):
                headers["Authorization"] = f"Bearer {bearer}"
            elif rights == "all":
                headers["Authorization"] = authorization(key, prepared.method, prepared.url, body)
            answer = httpx2.request(prepared.method, prepared.url, content=body, headers=headers)
            assert answer.status_code < 500, (prepared.method, prepared.url, body[:200], answer.text)
            seen.append(answer.status_code)

        given(case=operation.as_strategy())(ask)()
    assert len(seen) > 6 * examples
    assert (rights == "all") == (200 in seen[-len(seen) // 3 :])  # past the door, or not


def request_of(keywords):
    """What `requests` takes, out of what schemathesis gives."""
    known = ("method", "url", "headers", "params", "data", "json", "cookies", "files", "auth")
    return {name: value for name, value in keywords.items() if name in known}


def is_sendable(value):
    return isinstance(value, str) and value.isprintable() and value.isascii()
