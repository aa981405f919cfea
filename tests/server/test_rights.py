"""Who may do what: every cell of the table in docs/service.md, asked of a real server."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from nacl.signing import SigningKey

from proxyset.client.answer import answer
from proxyset.client.ledger import Cap, Ledger
from proxyset.server.app import create_app
from proxyset.server.oidc import Provider, Settings
from proxyset.server.records import Scope
from proxyset.server.state import State
from tests.server.identity import CLIENT, id_token, provider
from tests.server.running import begin, new_client, public, running, signed, tiny_index
from tests.wire.models import model

PAGE = Path(__file__).parents[2] / "docs" / "service.md"
ROLES = (
    "anybody", "client", "revoked client", "operator: read", "operator: campaigns", "operator: clients",
    "revoked operator", "operator of another campaign",
)  # fmt: skip


def table():
    text = PAGE.read_text(encoding="utf-8").split("## Who may do what")[1].split("###")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    assert tuple(rows[0][1:]) == ROLES
    return {row[0].strip("`"): [int(cell) for cell in row[1:]] for row in rows[2:]}


CELLS = [
    (request, role, status)
    for request, row in table().items()
    for role, status in zip(ROLES, row, strict=True)
]


@dataclass
class Server:
    url: str
    state: State
    keys: dict[str, SigningKey]
    bearers: dict[str, str]
    vouched: dict[str, str]
    tokens: dict[str, str]
    fingerprint: str
    index: str
    answers: dict[str, bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rights")
    index, state = tiny_index(folder), State.open(folder / "state")
    begin(state, index, "one", "closing", "answered")
    (folder / "model").write_bytes(b"model")
    with (folder / "model").open("rb") as file:
        state.publish_model("one", file, "model")
    tokens = {role: state.create_token(role) for role in ("client", "revoked client")}
    keys = {role: SigningKey.generate() for role in tokens}
    for role, token in tokens.items():
        assert state.enroll(token, public(keys[role]))
    held = {f"operator: {scope.value}": [scope.value] for scope in Scope}
    held["operator of another campaign"] = ["read:elsewhere", "campaigns:elsewhere"]
    held["revoked operator"] = list(Scope)
    bearers = {role: state.accounts.create(role, scopes) for role, scopes in held.items()}
    state.accounts.revoke("revoked operator")
    people = {role.replace(" ", "-").replace(":", ""): role for role in held}
    with provider({name: [role] for name, role in people.items()}) as issuer:
        settings = Settings(issuer=issuer, client=CLIENT, rights=held)
        known = Provider(settings, "", "https://cloud.example/page")
        vouched = {role: id_token(issuer, name) for name, role in people.items()}
        gone = known.operator(vouched["revoked operator"])
        assert state.accounts.vouch(gone)
        state.accounts.revoke(gone.name)
        yield from serve(folder, state, index, known, keys, tokens, bearers, vouched)
    state.close()


def serve(folder, state, index, known, keys, tokens, bearers, vouched):
    with running(state, provider=known) as url:
        answers = {role: release_of(folder, role, key, state, index) for role, key in keys.items()}
        other = new_client(state, "other")
        data = release_of(folder, "other", other, state, index, "answered")
        posted = signed(other, "POST", f"{url}/v1/campaigns/answered/releases", data)
        assert posted.status_code == 201, posted.text
        state.revoke_client(public(keys["revoked client"]))
        fingerprint = posted.json()["release"]
        yield Server(url, state, keys, bearers, vouched, tokens, fingerprint, index.fingerprint, answers)


def release_of(folder, name, key, state, index, campaign="one"):
    """A real release with the receipt of `key`."""
    ledger = Ledger.open(folder / f"{name}.ledger", cap=Cap(50))
    (folder / f"{name}.ledger.key").write_bytes(bytes(key))
    probe = state.probe(state.campaign(campaign).probe)
    return answer(probe, folder / "pool.npy", epsilon=0.5, ledger=ledger, dataset=name).to_bytes()


NUMBERS = itertools.count()


def request_of(request, role, server):
    method, path = request.split()
    path = path.replace("{fingerprint}", server.fingerprint)
    campaign = "closing" if path.endswith("/close") else "answered" if "operator" in path else "one"
    path = path.replace("{campaign}", campaign)
    body = b""
    if path == "/v1/enroll":
        body = json.dumps({"token": server.tokens.get(role, "x" * 43)}).encode()
    elif path == "/v1/campaigns/one/releases":
        body = server.answers.get(role, b"not read")
    elif request == "POST /v1/operator/campaigns":
        new = {"id": f"new-{next(NUMBERS)}", "index": server.index, "budget": 5}
        body = json.dumps(new).encode()
    elif request.endswith("enroll-tokens"):
        body = b'{"name": "somebody"}'
    elif method == "PUT":
        body = model().to_bytes()
    if "{key}" in path:
        path = path.replace("{key}", public(new_client(server.state, "spare")))
    return method, server.url + path, body


@pytest.mark.parametrize("by", ["token", "provider"])
@pytest.mark.parametrize(
    ("request_line", "role", "status"), CELLS, ids=[f"{request} by {role}" for request, role, _ in CELLS]
)
def test_cell(server, request_line, role, status, by):
    if by == "provider" and role not in server.bearers:
        return  # neither a token nor a provider's word
    method, url, body = request_of(request_line, role, server)
    headers = {"content-type": "application/json"} if body[:1] == b"{" else {}
    if role in server.keys:
        response = signed(server.keys[role], method, url, body, **headers)
    else:
        if role in server.bearers:
            held = server.vouched if by == "provider" else server.bearers
            headers["authorization"] = f"Bearer {held[role]}"
        response = httpx2.request(method, url, content=body, headers=headers)
    assert response.status_code == status, response.text
    for name in ("x-content-type-options", "content-security-policy", "referrer-policy", "cache-control"):
        assert name in response.headers
    assert "server" not in response.headers
    if status == 401:
        assert response.headers["www-authenticate"] in ("Bearer", "Proxyset-Ed25519")


def test_the_table_has_every_route(tmp_path):
    state = State.open(tmp_path)
    paths = create_app(state).openapi()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described | {"GET /openapi.json"} == set(table())
    state.close()


def test_the_table_can_fail():
    assert len(CELLS) == len(ROLES) * len(table()) > 100
    assert {status for _, _, status in CELLS} == {200, 201, 401, 403, 404}
